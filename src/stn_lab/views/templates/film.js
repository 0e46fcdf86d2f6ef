// The filmstrip as a film: copies the rows of the table, one at a time. Without it the table says the same.
for (const film of document.querySelectorAll("[data-film]")) {
  const [inputs, ...moments] = film.querySelectorAll("tr");
  const stage = film.querySelector(".player-pictures");
  const [button, slider, caption] = film.querySelectorAll(".player button, .player input, .player output");
  const copies = (row) => [...row.querySelectorAll("img")].map((picture) => picture.cloneNode());
  let timer = 0;

  const show = () => {
    const row = moments[slider.value];
    stage.replaceChildren(...copies(inputs), ...copies(row));
    caption.textContent = `step ${row.dataset.step}`;
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    button.textContent = "play";
  };
  const advance = () => {
    slider.stepUp();
    show();
    if (slider.value === slider.max) stop();
  };
  const play = () => {
    if (slider.value === slider.max) slider.value = 0;
    show();
    button.textContent = "pause";
    timer = setInterval(advance, 700);
  };

  button.addEventListener("click", () => (timer ? stop() : play()));
  slider.addEventListener("input", () => { stop(); show(); });
  stage.style.setProperty("--columns", inputs.querySelectorAll("img").length);
  film.querySelector(".player").hidden = false;
  show();
}
