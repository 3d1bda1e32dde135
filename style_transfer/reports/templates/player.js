"use strict";

// One slider over pictures: by hand, by the button, and by #frame=N in the address.
// show(index) draws; numberOf(index) is the N of a link; indexOf(N) finds the picture again.
function makePlayer(show, numberOf, indexOf) {
  const slider = document.getElementById("slider");
  const button = document.getElementById("play");
  const last = Number(slider.max);
  const milliseconds = Math.min(500, Math.max(100, 4000 / (last + 1)));
  let timer = null;

  function go(index) {
    slider.value = index;
    show(Number(slider.value));
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    button.textContent = "Play";
  }

  function advance() {
    go(Number(slider.value) + 1);
    if (Number(slider.value) === last) stop();
  }

  function play() {
    if (Number(slider.value) === last) go(0);
    timer = setInterval(advance, milliseconds);
    button.textContent = "Pause";
  }

  function followAddress() {
    const found = location.hash.match(/^#frame=(\d+)$/);
    if (found) stop();
    go(found ? indexOf(Number(found[1])) : last);
  }

  slider.addEventListener("input", () => {
    stop();
    go(slider.value);
  });
  slider.addEventListener("change", () => {
    history.replaceState(null, "", `#frame=${numberOf(Number(slider.value))}`);
  });
  button.addEventListener("click", () => (timer === null ? play() : stop()));
  addEventListener("hashchange", followAddress);
  document.getElementById("controls").hidden = last === 0;
  followAddress();
  return (index) => {
    stop();
    go(index);
  };
}

function showOnly(pictures, index) {
  pictures.forEach((picture, each) => {
    picture.hidden = each !== index;
  });
}
