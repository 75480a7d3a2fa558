// Lists the demo's links, plays them, and shows what the gate answers to each.

const HLS = "application/vnd.apple.mpegurl";
const PACKET = 188;
const SYNC = 0x47;
const KEPT_RESULTS = 8;

const element = (id) => document.getElementById(id);
const video = element("video");
const playsHls = video.canPlayType(HLS) !== "";
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
const kilobytes = (bytes) => `${Math.round(bytes / 1000)} KB`;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let playing = null;

class View {
  constructor(link) {
    this.link = link;
    this.url = new URL(link.path, location.origin).href;
    this.opened = 0;
    this.reused = 0;
    this.session = null;
    this.node = element("link").content.firstElementChild.cloneNode(true);
    this.node.id = `link-${link.name}`;
    this.part = (selector) => this.node.querySelector(selector);
    this.part("h3").textContent = link.title;
    this.part(".words").append(...withCode(link.words));
    this.part(".address code").textContent = this.url;
    const first = link.openings[0];
    const badge = this.part(".expect");
    badge.classList.add(first.plays ? "plays" : "refused");
    badge.textContent = first.plays ? badgeOfPlaying(link) : told(first);
    badge.title = `Expected: ${link.expected}`;
    this.part(".play").hidden = link.media === "endless";
    this.part(".play").onclick = () => this.play();
    this.part(".fetch").onclick = () => this.open();
    this.part(".reuse").onclick = () => this.reuse();
    for (const button of this.node.querySelectorAll(".copy")) {
      button.onclick = () => copy(button, this.command(button.dataset.what));
    }
  }

  command(what) {
    return what === "url" ? this.url : `${what} "${this.url}"`;
  }

  // Opens the link as a player would, down to the first media. True if it plays.
  async open() {
    const number = this.opened++;
    const expected = this.link.openings[Math.min(number, this.link.openings.length - 1)];
    const several = this.link.openings.length > 1 ? `opening ${number + 1}: ` : "";
    this.busy(true);
    try {
      const began = performance.now();
      const answer = await ask(this.url, this.link.media);
      if (answer.session) {
        this.session ??= answer.session;
        this.part(".reuse").hidden = !this.link.reused;
      }
      if (answer.plays && this.link.media === "endless") {
        const line = this.show([302, 200], "", true, "runs ...");
        answer.note = await outlast(answer.response, began);
        line.remove();
      }
      this.show(answer.statuses, answer.reason, agrees(answer, expected), several + answer.note);
      if (answer.plays && this.link.session_s) {
        this.outlive(answer.session, began);
      }
      return answer;
    } finally {
      this.busy(false);
    }
  }

  async reuse() {
    const answer = await ask(this.session, this.link.media);
    this.reused += 1;
    this.show(answer.statuses, answer.reason, agrees(answer, this.link.reused), `its session link, ${this.reused}. time`);
  }

  // What the session link says when its session is over.
  async outlive(session, began) {
    await sleep(began + this.link.session_s * 1000 + 500 - performance.now());
    const answer = await ask(session, this.link.media);
    const note = `its session link after ${seconds(performance.now() - began)}`;
    this.show(answer.statuses, answer.reason, agrees(answer, this.link.outlived), note);
    if (playing === session) {
      stop(`The session of “${this.link.title}” is over.`);
    }
  }

  async play(prompt = "") {
    stop(`Opening “${this.link.title}” ...`);
    const answer = await this.open();
    if (!answer.plays) {
      element("now").textContent = `“${this.link.title}”: ${answer.statuses.join(", ")} ${answer.reason}`;
      return;
    }
    const address = answer.session ?? this.url;
    if (this.link.media === "image") {
      video.hidden = true;
      element("picture").hidden = false;
      element("picture").src = address;
      element("now").textContent = `“${this.link.title}”`;
    } else if (this.link.media === "playlist" && !playsHls) {
      element("now").textContent = `“${this.link.title}” plays, but not in this browser.`;
      tell("Play its session link with this (or vlc instead of ffplay)", `ffplay "${address}"`);
    } else {
      watch(address, `Playing “${this.link.title}”${prompt}`);
      if (answer.session) {
        tell("Session link", answer.session);
      }
    }
  }

  busy(yes) {
    for (const button of this.node.querySelectorAll(".play, .fetch")) {
      button.disabled = yes;
    }
  }

  show(statuses, reason, agreed, note) {
    return showResult(this.part(".results"), statuses, reason, agreed, note);
  }
}

// A line more in a list of results, of which the newest are kept.
function showResult(results, statuses, reason, agreed, note) {
  const line = document.createElement("li");
  line.className = agreed ? "agrees" : "differs";
  line.append(span("status", `${statuses.join(" → ")} ${reason}`), span("what", note));
  results.append(line);
  while (results.children.length > KEPT_RESULTS) {
    results.firstElementChild.remove();
  }
  return line;
}

function badgeOfPlaying(link) {
  const last = link.outlived ?? link.openings.at(-1);
  return last.plays ? "plays" : `plays, then ${told(last)}`;
}

const told = (outcome) => `${outcome.statuses.join(", ")} ${outcome.reason}`;

const agrees = (answer, expected) =>
  answer.reason === expected.reason && answer.statuses.join() === expected.statuses.join();

// One address as a player asks for it. fetch() follows the redirect by itself and tells that there was one. Of a
// file a part is asked for behind that: with Range the token's URL would be the same viewer's again, who seeks.
async function ask(url, media) {
  const options = { cache: "no-store", referrerPolicy: "no-referrer" };
  let opened;
  let response;
  try {
    opened = response = await fetch(url, options);
    if (media === "file" && opened.ok) {
      await opened.body.cancel();
      response = await fetch(opened.url, { ...options, headers: { Range: "bytes=0-1023" } });
    }
  } catch {
    return { statuses: [], reason: "no answer", plays: false, note: "is the demo still running?", session: null };
  }
  const answer = {
    response,
    statuses: opened.redirected ? [302, response.status] : [response.status],
    reason: response.headers.get("Gate-Reason") ?? "",
    session: opened.redirected ? opened.url : null,
    plays: response.ok,
    note: "",
  };
  if (!response.ok) {
    answer.note = (await response.json().catch(() => ({}))).title ?? "";
  } else if (media === "playlist") {
    await askNewestSegment(answer);
  } else if (media === "image") {
    answer.note = `${kilobytes((await response.arrayBuffer()).byteLength)} of ${response.headers.get("Content-Type")}`;
  } else if (media === "file") {
    answer.note = `${(await response.arrayBuffer()).byteLength} bytes, ${response.headers.get("Content-Range")}`;
  }
  return answer;
}

async function askNewestSegment(answer) {
  const lines = (await answer.response.text()).split("\n");
  const name = lines.findLast((line) => line && !line.startsWith("#"));
  const response = await fetch(new URL(name, answer.response.url), { cache: "no-store" });
  answer.statuses.push(response.status);
  answer.reason = response.headers.get("Gate-Reason") ?? "";
  answer.plays = response.ok;
  if (response.ok) {
    const bytes = new Uint8Array(await response.arrayBuffer());
    const whole = bytes.length % PACKET === 0 && bytes[0] === SYNC;
    answer.note = `newest segment: ${kilobytes(bytes.length)} of ${whole ? "MPEG-TS" : "something that is not MPEG-TS"}`;
  }
}

// Reads until the response ends, and says how it did.
async function outlast(response, began) {
  const reader = response.body.getReader();
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        return `ended by itself after ${seconds(performance.now() - began)}`;
      }
      bytes += value.length;
    }
  } catch {
    return `${kilobytes(bytes)} came, cut after ${seconds(performance.now() - began)}`;
  }
}

function watch(address, text) {
  playing = address;
  video.src = address;
  element("now").textContent = text;
  video.play().catch(() => {});
}

function stop(text) {
  playing = null;
  video.pause();
  video.removeAttribute("src");
  video.load();
  video.hidden = false;
  element("picture").hidden = true;
  element("now").textContent = text;
  element("details").hidden = true;
}

// A text to copy, below the player.
function tell(title, text) {
  element("details").hidden = false;
  element("detail-title").textContent = title;
  element("detail").textContent = text;
}

// `words` in backticks as code.
function withCode(words) {
  return words.split("`").map((text, at) => {
    const node = document.createElement(at % 2 ? "code" : "span");
    node.textContent = text;
    return node;
  });
}

function span(name, text) {
  const made = document.createElement("span");
  made.className = name;
  made.textContent = text;
  return made;
}

async function copy(button, text) {
  await navigator.clipboard.writeText(text);
  const before = button.textContent;
  button.textContent = "Copied";
  await sleep(1200);
  button.textContent = before;
}

async function fetchAll(views) {
  element("all").disabled = true;
  await Promise.all(views.map((view) => view.open()));
  const differing = document.querySelectorAll(".results .differs").length;
  element("sum").textContent = differing ? `${differing} answers differ` : "Each did what it should.";
  element("all").disabled = false;
}

async function begin() {
  const answer = await fetch("links.json", { cache: "no-store" });
  const views = (await answer.json()).map((link) => new View(link));
  for (const name of new Set(views.map((view) => view.link.group))) {
    const cards = views.filter((view) => view.link.group === name).map((view) => view.node);
    let group = document.querySelector(`[data-group="${name}"]`);
    if (!group) {
      group = element("group").content.firstElementChild.cloneNode(true);
      group.querySelector("h2").textContent = name;
      element("groups").append(group);
    }
    group.append(...cards);
  }
  element("native").hidden = playsHls;
  element("all").onclick = () => fetchAll(views);
  element("copy-detail").onclick = (event) => copy(event.target, element("detail").textContent);
  video.onerror = () => {
    if (playing) {
      stop("The player gave up: what it asked for was refused, or cut.");
    }
  };
  await views[0].play(" (without sound: press its loudspeaker)");
}

begin().catch(() => {
  element("now").textContent = "The links cannot be loaded. Is the demo still running?";
});

export { element, showResult, stop, tell, watch };
