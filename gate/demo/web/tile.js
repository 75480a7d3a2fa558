// A camera of the room: plays whenever the gate lets it, and says why where it does not.

const HLS = "application/vnd.apple.mpegurl";
const AGAIN_MS = 2000;
// How often in a row a picture may stand still before it is opened anew.
const PATIENCE = 3;
const OFF = "The camera is off.";
const COVERS = {
  muted: "Muted by a moderator",
  waiting_for_admission: "Waiting for admission",
  removed_from_room: "You were removed",
  entry_denied: "You were not admitted",
  entry_timed_out: "Nobody has answered",
  room_closed: "The room was closed",
};

const playsHls = document.createElement("video").canPlayType(HLS) !== "";
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Tile {
  // `tell` hears of each answer of the gate's that is another than the one before.
  constructor(name, tell) {
    this.name = name;
    this.tell = tell;
    this.url = null;
    this.playing = false;
    this.seen_s = 0;
    this.still = 0;
    this.said = "";
    this.node = document.getElementById("tile").content.firstElementChild.cloneNode(true);
    this.node.dataset.camera = name;
    this.part = (selector) => this.node.querySelector(selector);
    this.part(".who").textContent = name;
    this.video = this.part("video");
    this.video.onerror = () => {
      if (this.playing) {
        this.stop("…");
      }
    };
    this.stop("…");
    this.run();
  }

  // From now on it is watched at `url`.
  open(url) {
    this.url = url;
    this.said = "";
    this.stop("…");
    this.look();
  }

  // Nothing is asked for any more; what the gate has said last stays to be seen.
  async close() {
    await this.look();
    this.url = null;
  }

  muted(yes) {
    if (yes) {
      this.stop(COVERS.muted);
      this.look();
    }
  }

  async run() {
    for (;;) {
      await sleep(AGAIN_MS);
      if (this.url && !this.goesOn()) {
        await this.look();
      }
    }
  }

  // Whether it plays, as far as the picture tells.
  goesOn() {
    if (!this.playing) {
      return false;
    }
    this.still = this.video.currentTime > this.seen_s ? 0 : this.still + 1;
    this.seen_s = this.video.currentTime;
    return this.still < PATIENCE;
  }

  // Asks for the playlist as a player does: what comes is played, and what does not come is told.
  async look() {
    const url = this.url;
    if (!url) {
      return;
    }
    let status = 0;
    let reason = "no answer";
    let text = "";
    try {
      const answer = await fetch(url, { cache: "no-store", referrerPolicy: "no-referrer" });
      status = answer.status;
      reason = answer.headers.get("Gate-Reason") ?? "";
      text = answer.ok ? await answer.text() : "";
    } catch {
      // The gate is away; it is asked again.
    }
    if (url !== this.url) {
      return;
    }
    const said = `${status || ""} ${reason}`.trim();
    if (said !== this.said) {
      this.said = said;
      this.tell(status, reason, `watches ${this.name}`);
    }
    if (text.includes("#EXTINF")) {
      this.play();
    } else {
      const off = status === 404 || status === 200;
      this.stop(COVERS[reason] ?? (off ? OFF : said), off ? "off" : said);
    }
  }

  play() {
    if (!playsHls) {
      this.stop("This browser does not play it.", "200");
      return;
    }
    this.playing = true;
    this.still = 0;
    this.seen_s = 0;
    this.video.src = this.url;
    this.video.play().catch(() => {});
    this.video.ontimeupdate = () => {
      if (this.playing && this.video.currentTime > 0) {
        this.show("", "live", "plays");
      }
    };
  }

  stop(cover, mark = "…") {
    this.playing = false;
    if (this.video.hasAttribute("src")) {
      this.video.pause();
      this.video.removeAttribute("src");
      this.video.load();
    }
    this.show(cover, mark, /^4(?!04)/.test(mark) ? "refused" : "waits");
  }

  show(cover, mark, kind) {
    this.part(".cover").textContent = cover;
    this.part(".mark").textContent = mark;
    this.part(".mark").className = `mark ${kind}`;
  }

  note(...content) {
    this.part(".note").replaceChildren(...content);
    this.part(".note").hidden = content.length === 0;
  }
}

export { Tile, playsHls };
