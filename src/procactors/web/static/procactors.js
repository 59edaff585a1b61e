// Keeps a page live: progress bars move with their events; after any other event the page is read anew, and
// what differs is put in place, so that focus, open parts and what was typed stay. Durations count on.
// Without this file the page is the same, as of when it was loaded.
"use strict";

(() => {
  const REFRESH_AFTER_MS = 400;
  const LISTEN_AGAIN_AFTER_MS = 3000;
  const LOOK_AGAIN_AFTER_MS = 5000;
  const main = document.querySelector("main");
  const status = document.getElementById("live");

  // What differs.

  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.key || "" : "");
  const isAlike = (old, fresh) => old.nodeName === fresh.nodeName && keyOf(old) === keyOf(fresh);
  const isTheUsers = (node, name) => name === "open" && node.nodeName === "DETAILS";

  function morph(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value && !isTheUsers(old, name)) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !isTheUsers(old, name)) old.removeAttribute(name);
    }
    morphChildren(old, fresh);
  }

  function morphChildren(old, fresh) {
    const byKey = new Map([...old.childNodes].filter(keyOf).map((node) => [keyOf(node), node]));
    let place = old.firstChild;
    for (const wanted of [...fresh.childNodes]) {
      const known = keyOf(wanted) ? byKey.get(keyOf(wanted)) : place && !keyOf(place) ? place : null;
      if (known && isAlike(known, wanted)) {
        if (known === place) place = place.nextSibling;
        else old.insertBefore(known, place);
        morph(known, wanted);
      } else {
        old.insertBefore(document.importNode(wanted, true), place);
        if (known === place && place && !keyOf(wanted)) {
          place = place.nextSibling;
          known.remove();
        }
      }
    }
    while (place) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
  }

  // Durations.

  const clockIsAhead = Date.now() - 1000 * Number(main.dataset.now);

  function duration(seconds) {
    const whole = Math.max(0, Math.round(seconds));
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
    if (whole < 172800) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
    return `${Math.floor(whole / 86400)} d`;
  }

  function count() {
    const now = (Date.now() - clockIsAhead) / 1000;
    for (const place of document.querySelectorAll("[data-since]")) {
      place.textContent = duration(now - Number(place.dataset.since));
    }
  }

  if (main.dataset.now) setInterval(count, 1000);
  const hasEnded = () => "ended" in main.dataset;
  if (!(main.dataset.live || hasEnded()) || !window.EventSource) return;

  // Events. Only a page that is looked at hears them: a browser has few connections to a host. What has ended has
  // none, but may be retried or rewound by anybody: its page is read again now and then, and becomes live with it.

  let source = null;
  let waits = null;
  let isReading = false;

  async function refresh() {
    waits = null;
    isReading = true;
    try {
      const response = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!response.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      document.title = fresh.title;
      const wasOver = hasEnded();
      morph(main, fresh.querySelector("main"));
      if (!main.dataset.live) stop();
      else if (wasOver) lookedAt();
    } catch {
      // The server is away: the stream comes back when it does, and with it the next event.
    } finally {
      isReading = false;
    }
  }

  function later() {
    if (waits !== null) return;
    waits = setTimeout(() => {
      waits = null;
      if (isReading) later();
      else refresh();
    }, REFRESH_AFTER_MS);
  }

  function progressed(event) {
    if (isReading) later();  // what is being read may be older
    const said = JSON.parse(event.data);
    for (const place of document.querySelectorAll(`[data-progress="${said.pid}"]`)) {
      const bar = place.querySelector("progress");
      const done = said.done || 0;
      place.hidden = false;
      if (said.total) {
        bar.max = said.total;
        bar.value = done;
      }
      const of = said.total ? ` of ${said.total.toLocaleString("en")}` : "";
      place.querySelector(".quiet").textContent = `${done.toLocaleString("en")}${of} ${said.text || ""}`;
    }
  }

  function listen() {
    source = new EventSource(main.dataset.live);
    source.addEventListener("open", () => {
      say("live");
      if (!main.dataset.live.includes("after=")) later();  // what happened between the page and its stream
    });
    source.addEventListener("error", () => {
      const isRefused = source.readyState === EventSource.CLOSED; // by a proxy, or as there is nothing more to hear
      if (isRefused) {
        stop();
        later();
        setTimeout(lookedAt, LISTEN_AGAIN_AFTER_MS);
      }
      say("reconnecting");
    });
    for (const name of main.dataset.events.split(" ")) {
      source.addEventListener(name, name === "StepProgressed" ? progressed : later);
    }
  }

  function stop() {
    if (source !== null) source.close();
    source = null;
    say("");
  }

  function say(state) {
    status.textContent = state;
    status.dataset.state = state;
  }

  function lookedAt() {
    if (document.hidden) {
      stop();
    } else if (source === null && main.dataset.live) {
      listen();
      later();
    } else if (hasEnded()) {
      later();
    }
  }

  if (!document.hidden && main.dataset.live) listen();
  setInterval(() => {
    if (hasEnded() && !document.hidden) later();
  }, LOOK_AGAIN_AFTER_MS);
  document.addEventListener("visibilitychange", lookedAt);
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => { if (event.persisted) lookedAt(); });
})();
