// Shows how much of a file has been sent, and sends it once. Without this the browser sends the form by itself.
const form = document.getElementById("upload");
const bar = document.getElementById("sending");
const unsent = document.getElementById("unsent");

function sending(now) {
  bar.parentElement.hidden = !now;
  form.querySelector("button").disabled = now;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const request = new XMLHttpRequest();
  request.upload.addEventListener("progress", (told) => {
    if (told.lengthComputable) bar.value = told.loaded / told.total;
  });
  request.addEventListener("load", () => {
    // Redirected to the page that tells the rest; else the answer is the page that says what went wrong.
    if (request.responseURL.includes("/desk/intake?")) location.assign(request.responseURL);
    else {
      const answer = new DOMParser().parseFromString(request.responseText, "text/html");
      document.title = answer.title;
      document.body.replaceWith(answer.body);
    }
  });
  request.addEventListener("error", () => {
    sending(false);
    unsent.hidden = false;
  });
  unsent.hidden = true;
  bar.value = 0;
  sending(true);
  request.open("POST", form.action);
  request.send(new FormData(form));
});
