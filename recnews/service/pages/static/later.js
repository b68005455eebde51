// What takes a moment to count is put into its place when it has come; without scripts a link leads there.
for (const place of document.querySelectorAll("[data-from]")) {
  const answer = await fetch(place.dataset.from);
  if (answer.ok) place.innerHTML = await answer.text();
}
