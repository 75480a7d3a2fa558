// A video from its creation to its end, in this page's session, and what a second page is refused.

import { element, showResult, stop, tell, watch } from "./page.js";

const NOT_OWNED = "resource_not_granted";

class Page {
  constructor(given, session, name, own) {
    this.given = given;
    this.session = session;
    this.name = name;
    this.own = own;
  }

  address(path) {
    const query = new URLSearchParams({ client_auth: this.given.token, [this.given.parameter]: this.session });
    return new URL(`${this.given.videos}${path}?${query}`, location.origin).href;
  }

  // Asks, shows what came, and gives the answer where it is no refusal.
  async ask(path, options, deed) {
    const note = `${this.name} ${deed}`;
    let response = null;
    try {
      response = await fetch(this.address(path), { cache: "no-store", referrerPolicy: "no-referrer", ...options });
    } catch {
      showResult(element("own-results"), [], "no answer", false, "is the demo still running?");
      return null;
    }
    const reason = response.headers.get("Gate-Reason") ?? "";
    const agreed = this.own ? response.ok : response.status === 403 && reason === NOT_OWNED;
    showResult(element("own-results"), [response.status], reason, agreed, note);
    return response.ok ? response : null;
  }
}

const upload = (body) => ({ method: "POST", headers: { "Content-Type": "video/mp4" }, body });

// A page session, new each time.
async function openPage(path) {
  const response = await fetch(path, { method: "POST", cache: "no-store" });
  return (await response.json()).token;
}

class Card {
  constructor(given, mine, second) {
    this.given = given;
    this.video = null;
    for (const [id, page] of [["own-acts", mine], ["second-acts", second]]) {
      for (const button of element(id).querySelectorAll("button")) {
        button.onclick = () => this.act(button.dataset.act, page);
      }
    }
    this.allow();
  }

  get path() {
    return `/${this.video}`;
  }

  // One after the other: each waits for the answer to the one before.
  async act(name, page) {
    this.busy();
    try {
      await this[name](page);
    } finally {
      this.allow();
    }
  }

  // The chosen file, else a sample.
  async chosen(sample) {
    const file = element("own-file").files[0];
    return file ?? (await fetch(sample)).blob();
  }

  async create(page) {
    const answer = await page.ask("", upload(await this.chosen(this.given.sample)), "creates a video");
    if (answer) {
      this.video = (await answer.json()).token;
      element("own-url").textContent = page.address(`${this.path}/video.mp4`);
    }
  }

  async play(page) {
    const media = `${this.path}/video.mp4`;
    const part = { headers: { Range: "bytes=0-1023" } };
    if (await page.ask(media, part, "plays it")) {
      stop("Opening this page's own video ...");
      watch(page.address(media), "Playing this page's own video");
      tell("Its URL: copied, it is still this page's session", page.address(media));
    }
  }

  async replace(page) {
    const body = await this.chosen(this.given.retake);
    if (await page.ask(this.path, upload(body), "replaces it")) {
      stop("The video was replaced.");
    }
  }

  async destroy(page) {
    if (await page.ask(this.path, { method: "DELETE" }, "destroys it")) {
      this.video = null;
      element("own-url").textContent = "The video is gone.";
      stop("The video was destroyed.");
    }
  }

  busy() {
    for (const button of element("own").querySelectorAll("button")) {
      button.disabled = true;
    }
  }

  // One video at a time, and nothing to be done with none.
  allow() {
    for (const button of element("own").querySelectorAll("button")) {
      button.disabled = (button.dataset.act === "create") === (this.video !== null);
    }
  }
}

async function begin() {
  const given = await (await fetch("videos.json", { cache: "no-store" })).json();
  const [first, second] = await Promise.all([openPage(given.session), openPage(given.session)]);
  new Card(given, new Page(given, first, "this page", true), new Page(given, second, "the second page", false));
}

begin().catch(() => {
  element("own-url").textContent = "The gate gives no page session. Is the demo still running?";
});
