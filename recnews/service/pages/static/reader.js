// Ranks anew while a slider is moved: the server renders the feed, this puts it into its place.
const form = document.getElementById("asked");
const sliders = [...form.querySelectorAll('input[type="range"]')];
let running = null;
let waiting = 0;

function question() {
  const asked = new URLSearchParams(new FormData(form));
  for (const slider of sliders) {
    if (Number(slider.value) === Number(slider.dataset.usual)) asked.delete(slider.name);
  }
  if (!asked.get("at")) asked.delete("at");
  return asked.toString();
}

async function rank() {
  running?.abort();
  running = new AbortController();
  const asked = question();
  try {
    const answer = await fetch(`/reader/feed?${asked}`, { signal: running.signal });
    if (!answer.ok) {
      location.assign(`/reader?${asked}`);
      return;
    }
    document.getElementById("feed").innerHTML = await answer.text();
    document.getElementById("said").textContent = form.dataset.live;
    history.replaceState(null, "", `/reader?${asked}`);
  } catch (error) {
    if (error.name !== "AbortError") location.assign(`/reader?${asked}`);
  }
}

for (const slider of sliders) {
  slider.addEventListener("input", () => {
    slider.nextElementSibling.textContent = Number(slider.value).toFixed(2);
    document.getElementById("said").textContent = "";
    clearTimeout(waiting);
    waiting = setTimeout(rank, 120);
  });
}

// An address that is sent to somebody says what was changed and nothing else.
form.addEventListener("submit", (event) => {
  event.preventDefault();
  location.assign(`/reader?${question()}`);
});
