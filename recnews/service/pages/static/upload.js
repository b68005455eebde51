// Shows how much of a file has been sent. Without this the browser sends the form by itself.
const form = document.getElementById("upload");
const bar = document.getElementById("sending");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const request = new XMLHttpRequest();
  request.upload.addEventListener("progress", (told) => {
    if (told.lengthComputable) bar.value = told.loaded / told.total;
  });
  request.addEventListener("load", () => {
    // Redirected to the page that tells the rest; what went wrong is told by the form as the browser sends it.
    if (request.responseURL.includes("/desk/intake?")) location.assign(request.responseURL);
    else form.submit();
  });
  request.addEventListener("error", () => form.submit());
  bar.parentElement.hidden = false;
  form.querySelector("button").disabled = true;
  request.open("POST", form.action);
  request.send(new FormData(form));
});
