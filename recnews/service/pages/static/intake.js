// Asks again and again how far an input is; the server renders it, this puts it into its place.
const state = document.getElementById("state");
const said = document.getElementById("said");

async function look() {
  try {
    const answer = await fetch(state.dataset.address);
    if (!answer.ok) {
      location.reload(); // signed out, or the service was started anew: its own page says so
      return;
    }
    state.innerHTML = await answer.text();
  } catch {
    // the service cannot be reached for now: what it does goes on without us
  }
  if (state.querySelector("progress")) setTimeout(look, 500);
  else said.textContent = document.getElementById("now").textContent;
}

setTimeout(look, 300);
