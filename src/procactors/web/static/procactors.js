// Keeps a page live: progress bars move with their events; after any other event the page's parts are
// read anew and put in place. Without this file the page is the same, as of when it was loaded.
"use strict";

(() => {
  const main = document.querySelector("main[data-live]");
  const status = document.getElementById("live");
  if (!main || !window.EventSource) return;

  let waits = null;

  const isBusy = (part) => {
    const open = part.querySelector("details[open]");
    return part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")
      ? true : Boolean(open);
  };

  async function refresh() {
    waits = null;
    let response;
    try {
      response = await fetch(location.href, { headers: { accept: "text/html" } });
    } catch {
      return;
    }
    if (!response.ok) return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    const had = document.querySelector(".question") !== null;
    const has = fresh.querySelector(".question") !== null;
    const isEnded = !fresh.querySelector("main[data-live]");
    if (had !== has || isEnded) {
      if (!document.activeElement || !document.activeElement.matches("input, select, textarea")) {
        location.reload();
        return;
      }
    }
    for (const part of document.querySelectorAll("[data-part]")) {
      const other = fresh.getElementById(part.id);
      if (other && !isBusy(part) && part.innerHTML !== other.innerHTML) {
        part.replaceChildren(...other.childNodes);
      }
    }
  }

  function later() {
    if (waits === null) waits = setTimeout(refresh, 400);
  }

  function progressed(event) {
    const said = JSON.parse(event.data);
    for (const place of document.querySelectorAll("[data-progress]")) {
      if (place.dataset.progress !== said.pid) continue;
      const bar = place.querySelector("progress");
      const text = place.querySelector(".quiet");
      place.hidden = false;
      const done = said.done || 0;
      if (said.total) {
        bar.max = said.total;
        bar.value = done;
      }
      text.textContent = `${done.toLocaleString("en")}${said.total ? " of " + said.total.toLocaleString("en") : ""} ${said.text || ""}`;
    }
  }

  const source = new EventSource(main.dataset.live);
  source.addEventListener("open", () => { status.textContent = "live"; });
  source.addEventListener("error", () => {
    status.textContent = source.readyState === EventSource.CLOSED ? "" : "reconnecting";
    if (source.readyState === EventSource.CLOSED) later();
  });
  for (const name of main.dataset.events.split(" ")) {
    source.addEventListener(name, name === "StepProgressed" ? progressed : later);
  }
  window.addEventListener("pagehide", () => source.close());
})();
