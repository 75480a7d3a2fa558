// One participant of the demo's room: knocks or joins, hears what happens there, and commands what it may.

import { Tile, playsHls } from "./tile.js";

const KEPT_ANSWERS = 30;
const STANDINGS = {
  joined: ["in the room", "plays"],
  waiting: ["knocking …", "waits"],
  gone: ["not in the room", "refused"],
};
const ENDS = {
  removed_from_room: "You were removed from the room.",
  room_closed: "The room was closed. Cameras come back by themselves, and everybody may join anew.",
  duplicate_participant: "Another page has taken your place.",
  entry_denied: "You were not admitted.",
  entry_timed_out: "Nobody has answered.",
  session_expired: "The token is over. Load the page again.",
};

const element = (id) => document.getElementById(id);

class Participant {
  constructor(given) {
    this.given = given;
    this.link = null;
    this.source = null;
    this.people = new Map();
    this.waiting = new Map();
    this.tiles = given.cameras.map((name) => new Tile(name, tell));
    element("tiles").append(...this.tiles.map((tile) => tile.node));
    element("name").textContent = given.participant;
    element("again").onclick = () => this.join();
    element("leave").onclick = () => this.command("leave", {});
    element("close").onclick = () => this.command("closeRoom", {});
    for (const [id, command] of [["accept", "acceptWebcam"], ["reject", "rejectWebcam"]]) {
      element(id).onclick = () => {
        this.ask(null);
        this.command(command, {});
      };
    }
    // A camera goes on without its page; everybody else is gone with it.
    if (!given.cameras.includes(given.participant)) {
      window.addEventListener("pagehide", () => this.depart());
    }
    this.stand("gone", "");
  }

  async join() {
    element("again").hidden = true;
    const { status, reason, said } = await post(`/v2/rooms/${this.given.room}/join`, {
      body: { name: this.given.participant },
      headers: { Authorization: this.given.token },
    });
    tell(status, reason, said.status === "waiting_for_admission" ? "knocks" : "joins");
    if (!said.link) {
      this.stand("gone", ENDS[reason] ?? said.message ?? reason);
      return;
    }
    this.link = said.link;
    this.events = said.events;
    for (const tile of this.tiles) {
      tile.open(`${this.link}/rooms/${this.given.room}/${tile.name}/webcam/index.m3u8`);
    }
    this.stand(said.status === "joined" ? "joined" : "waiting");
    this.listen();
  }

  listen() {
    this.source?.close();
    const source = new EventSource(this.events);
    this.source = source;
    const hear = (name, act) =>
      source.addEventListener(name, (event) => {
        if (source === this.source && event.data) {
          act(JSON.parse(event.data));
          this.show();
        }
      });
    hear("roomState", (said) => {
      this.people = new Map(said.participants.map((person) => [person.id, person]));
      this.waiting = new Map((said.waiting ?? []).map((person) => [person.id, person.name]));
      this.stand(said.status);
      const asked = said.requests?.find((request) => request.kind === "webcam");
      if (asked) {
        this.ask(asked.peerId);
      }
    });
    hear("entryRequested", (said) => this.waiting.set(said.id, said.name));
    hear("entryWithdrawn", (said) => this.waiting.delete(said.id));
    hear("entryResponded", (said) => this.heardAnswer(said));
    hear("newPeer", (said) => this.people.set(said.id, { ...said, webcam: said.webcam ?? "enabled" }));
    hear("peerClosed", (said) => this.people.delete(said.peerId));
    hear("participantMediaStateChanged", (said) => this.heardTrack(said));
    hear("webcamRequested", (said) => this.ask(said.peerId));
    hear("webcamResponded", (said) => {
      const note = said.decision === "accepted" ? [] : [`${said.peerId} said no.`];
      this.tile(said.peerId)?.note(...note);
    });
    // The gate's last word. A broken connection has no data, and the browser mends it if it can.
    hear("error", (said) => this.end(said));
    source.onerror = () => {
      if (source === this.source && source.readyState === EventSource.CLOSED) {
        this.end({ reason: "no events", message: "The gate tells no more. Is the demo still running?" });
      } else if (source === this.source) {
        element("standing").textContent = "no connection";
        element("standing").className = "mark waits";
      }
    };
  }

  heardAnswer({ id, decision, reason }) {
    this.waiting.delete(id);
    if (id !== this.given.participant) {
      return;
    }
    // Who was allowed in is shown the room next.
    if (decision !== "allowed") {
      this.end({ reason: reason === "timed_out" ? "entry_timed_out" : "entry_denied" });
    }
  }

  heardTrack({ peerId, kind, newState }) {
    const person = this.people.get(peerId);
    if (kind !== "webcam" || !person) {
      return;
    }
    person.webcam = newState;
    this.tile(peerId)?.muted(newState === "disabled");
    this.tile(peerId)?.note();
  }

  // The room has ended for this participant.
  end({ reason, message }) {
    this.source.close();
    this.source = null;
    this.people.clear();
    this.waiting.clear();
    this.ask(null);
    tell(0, reason, "is told");
    this.stand("gone", ENDS[reason] ?? message ?? reason);
    for (const tile of this.tiles) {
      tile.close();
    }
  }

  stand(standing, told = "") {
    this.standing = standing;
    const [text, kind] = STANDINGS[standing];
    element("standing").textContent = text;
    element("standing").className = `mark ${kind}`;
    const asks = "Somebody in the room has to admit you. Your players get 503 and ask again until then.";
    element("told").textContent = told || (standing === "waiting" ? asks : "");
    element("again").hidden = standing !== "gone";
    element("again").textContent = this.given.admits ? "Join again" : "Knock again";
    this.show();
  }

  // Asks its owner whether they turn their camera on again, or no more.
  ask(moderator) {
    element("accept").hidden = element("reject").hidden = !moderator;
    element("told").textContent = moderator ? `${moderator} asks you to turn your camera on.` : "";
  }

  tile(name) {
    return this.tiles.find((tile) => tile.name === name);
  }

  show() {
    const joined = this.standing === "joined";
    element("leave").hidden = this.standing === "gone";
    element("close").hidden = !(joined && this.given.moderates);
    element("lobby").hidden = !(joined && this.given.admits);
    element("present").hidden = !joined;
    const waiting = [...this.waiting].map(([id, name]) =>
      line(name, "knocks", [
        ["Admit", "play", () => this.command("respondEntry", { id, decision: "allowed" })],
        ["Deny", "", () => this.command("respondEntry", { id, decision: "denied" })],
      ]),
    );
    element("waiting").replaceChildren(...(waiting.length ? waiting : [line("", "Nobody knocks.", [])]));
    element("people").replaceChildren(...[...this.people.values()].map((person) => this.person(person)));
    for (const tile of this.tiles) {
      this.control(tile);
    }
  }

  person({ id, displayName, webcam }) {
    const me = id === this.given.participant;
    const what = [me ? "you" : "", webcam === "disabled" ? "muted" : ""].filter(Boolean).join(", ");
    const remove = ["Remove", "", () => this.command("removePeer", { peerId: id })];
    const node = line(displayName || id, what, this.given.moderates && !me ? [remove] : []);
    node.dataset.participant = id;
    return node;
  }

  // The button below a camera.
  control(tile) {
    const person = this.people.get(tile.name);
    const button = tile.part(".mute");
    button.hidden = !(person && this.given.moderates);
    const disabled = person?.webcam === "disabled";
    button.textContent = disabled ? "Unmute" : "Mute";
    button.onclick = () => (disabled ? this.unmute(tile) : this.command("disablePeerWebcam", { peerId: tile.name }));
  }

  async unmute(tile) {
    if ((await this.command("enablePeerWebcam", { peerId: tile.name })).status === 200) {
      const part = this.given.consents[tile.name];
      tile.note(`${tile.name} was asked`, ...(part ? [", and answers on ", anchor(part), "."] : [" …"]));
    }
  }

  async command(name, body) {
    const answer = await post(`${this.link}/v2/rooms/${this.given.room}/${name}`, { body });
    tell(answer.status, answer.reason, name);
    if (name === "leave" && answer.status === 200) {
      this.end({ reason: "left", message: "You have left." });
    }
    return answer;
  }

  depart() {
    if (this.link && this.standing !== "gone") {
      post(`${this.link}/v2/rooms/${this.given.room}/leave`, { body: {}, keepalive: true });
    }
  }
}

async function post(path, { body, headers = {}, ...options }) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      cache: "no-store",
      referrerPolicy: "no-referrer",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify(body),
      ...options,
    });
    const said = await answer.json().catch(() => ({}));
    return { status: answer.status, reason: answer.headers.get("Gate-Reason") ?? "", said };
  } catch {
    return { status: 0, reason: "no answer", said: {} };
  }
}

// A line more of what the gate said; the newest are kept, newest first.
function tell(status, reason, what) {
  const answer = status ? `${status} ${reason}`.trim() : reason;
  // What says no for now is asked again, and then is no refusal.
  const kind = status >= 200 && status < 300 ? "plays" : status < 500 ? "refused" : "later";
  const item = document.createElement("li");
  const when = new Date().toTimeString().slice(0, 8);
  item.append(span("when", when), span(kind, answer), span("what", what));
  element("answers").prepend(item);
  while (element("answers").children.length > KEPT_ANSWERS) {
    element("answers").lastElementChild.remove();
  }
}

function line(name, what, buttons) {
  const node = element("person").content.firstElementChild.cloneNode(true);
  node.querySelector(".who").textContent = name;
  node.querySelector(".what").textContent = what;
  for (const [text, kind, act] of buttons) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = kind;
    button.textContent = text;
    button.onclick = act;
    node.append(button);
  }
  return node;
}

function anchor(part) {
  const node = document.createElement("a");
  node.href = `room.html?as=${part}`;
  node.target = `gate-${part}`;
  node.textContent = "a page of their own";
  return node;
}

function span(name, text) {
  const made = document.createElement("span");
  made.className = name;
  made.textContent = text;
  return made;
}

async function begin() {
  const part = new URLSearchParams(location.search).get("as") ?? "host";
  document.querySelector(`#parts a[href$="as=${CSS.escape(part)}"]`)?.setAttribute("aria-current", "page");
  const given = await (await fetch(`room.json?as=${encodeURIComponent(part)}`, { cache: "no-store" })).json();
  document.title = `gate demo: ${given.part}`;
  element("native").hidden = playsHls;
  await new Participant(given).join();
}

begin().catch(() => {
  element("standing").textContent = "no room";
  element("told").textContent = "The room cannot be loaded. Is the demo still running?";
});
