// SPDX-License-Identifier: BSD-3-Clause
// One session over one transport: from HELLO to its end. The client (client.js) opens one after the other.

import { proofText, randomBytes } from "./identity.js";
import { decode, encode, Flag, sequenceAfter } from "./wire.js";

/** How long a session may take from the start of the connection to WELCOME. */
export const OPEN_MS = 15000;
/** An ACK goes out at the latest behind so many deliveries. */
export const ACK_EVERY = 8;

/**
 * How a session ended.
 * @typedef {object} End
 * @property {number} code the WebSocket's close code, 1006 where there was none
 * @property {number} error the code of the fatal ERROR, 0 where there was none
 * @property {string} why for people
 * @property {boolean} opened whether WELCOME had come
 * @property {boolean} asked whether this side ended it
 */

/**
 * @typedef {object} SessionOptions
 * @property {import("./transport.js").Connect} connect
 * @property {import("./identity.js").Identity} identity
 * @property {number} device
 * @property {boolean} sendOnly
 * @property {string} invite
 * @property {Uint8Array | null} token
 * @property {import("./client.js").Clock} clock
 * @property {(welcome: any) => void} onOpen
 * @property {(frame: any) => void} onFrame everything behind WELCOME; an ERROR also before
 * @property {(end: End) => void} onEnd
 */

export class Session {
  /** @param {SessionOptions} options */
  constructor(options) {
    this.options = options;
    /** @type {"connecting" | "hello" | "proof" | "open" | "ended"} */
    this.state = "connecting";
    this.opened = false;
    this.asked = false;
    this.error = 0;
    this.why = "";
    this.heard = options.clock.now();
    this.sequence = 0; // of the last delivery that came
    this.worked = 0; // of the last that has been worked on
    this.acknowledged = 0;
    this.unacknowledged = 0;
    this.nonce = randomBytes(16);
    /** @type {Uint8Array | null} */
    this.binding = null;
    this.timer = options.clock.setTimeout(() => this.cut("no WELCOME in time"), OPEN_MS);
    this.transport = options.connect({
      open: (binding) => this.hello(binding),
      message: (frame) => this.take(frame),
      alive: () => this.hear(),
      close: (code, why) => this.end(code, why),
    });
  }

  hear() {
    this.heard = this.options.clock.now();
  }

  /** @param {Uint8Array} frame */
  send(frame) {
    if (this.state !== "ended") this.transport.send(frame);
  }

  /** @param {Uint8Array | null} binding */
  hello(binding) {
    if (this.state !== "connecting") return;
    const { identity, device, token, sendOnly, invite } = this.options;
    this.binding = binding;
    this.state = "hello";
    const flags = (token ? Flag.HELLO_RESUME : 0) | (binding ? Flag.HELLO_BINDING : 0) | (sendOnly ? Flag.HELLO_SEND_ONLY : 0);
    this.send(encode("HELLO", {
      device, flags, accountKey: identity.accountKey, nonce: this.nonce, token: token ?? new Uint8Array(0),
      invite: new TextEncoder().encode(invite),
    }));
  }

  /** @param {any} challenge */
  prove(challenge) {
    const { identity, device } = this.options;
    this.state = "proof";
    const text = proofText({ relayId: challenge.relayId, relayNonce: challenge.nonce, nonce: this.nonce, device, binding: this.binding });
    this.send(encode("PROOF", { flags: this.binding ? Flag.PROOF_BINDING : 0, signature: identity.sign(text) }));
  }

  /** @param {any} welcome */
  welcome(welcome) {
    const { identity, device, clock } = this.options;
    if (welcome.user !== identity.user || welcome.device !== device) return this.cut("a WELCOME for somebody else");
    clock.clearTimeout(this.timer);
    this.state = "open";
    this.opened = true;
    this.options.onOpen(welcome);
  }

  /** @param {Uint8Array} bytes */
  take(bytes) {
    if (this.state === "ended") return;
    this.hear();
    let frame;
    try {
      frame = decode(bytes);
    } catch (error) {
      return this.cut(`the relay sent ${error instanceof Error ? error.message : error}`);
    }
    if (frame.type === "UNKNOWN") return;
    if (frame.type === "ERROR" && frame.code < 128) {
      this.error = frame.code;
      this.why = frame.text;
    }
    if (frame.type === "CHALLENGE" && this.state === "hello") return this.prove(frame);
    if (frame.type === "WELCOME" && (this.state === "hello" || this.state === "proof")) return this.welcome(frame);
    if (frame.type !== "ERROR" && this.state !== "open") return this.cut(`${frame.type} is out of place`);
    if (frame.type === "CHALLENGE" || frame.type === "WELCOME") return this.cut(`${frame.type} is out of place`);
    if (frame.type === "DELIVER" && !this.count(frame)) return;
    this.options.onFrame(frame);
  }

  /** @param {any} delivery whether it is the next in the sequence; behind a gap an ACK would be a lie */
  count(delivery) {
    if (delivery.sequence === 0) return true;
    if (delivery.sequence !== sequenceAfter(this.sequence)) {
      this.cut("a gap in the deliveries");
      return false;
    }
    this.sequence = delivery.sequence;
    return true;
  }

  /**
   * A delivery has been worked on (they are in their order): it may be acknowledged.
   * @param {number} sequence
   * @param {boolean} more others wait to be worked on
   */
  received(sequence, more) {
    if (sequence === 0) return;
    this.worked = sequence;
    this.unacknowledged++;
    if (!more || this.unacknowledged >= ACK_EVERY) this.acknowledge();
  }

  acknowledge() {
    if (this.state !== "open" || this.worked === this.acknowledged) return;
    this.acknowledged = this.worked;
    this.unacknowledged = 0;
    this.send(encode("ACK", { sequence: this.worked }));
  }

  /** The clean end. */
  close() {
    this.asked = true;
    if (this.state === "ended") return;
    this.acknowledge();
    this.transport.close(1000);
    this.options.clock.clearTimeout(this.timer);
    this.timer = this.options.clock.setTimeout(() => this.cut("no answer to our close"), 3000);
  }

  /** @param {string} why the end at once */
  cut(why) {
    if (this.state === "ended") return;
    this.why ||= why;
    this.transport.cut();
    this.end(1006, why);
  }

  /**
   * @param {number} code
   * @param {string} why
   */
  end(code, why) {
    if (this.state === "ended") return;
    this.state = "ended";
    this.options.clock.clearTimeout(this.timer);
    this.options.onEnd({ code, error: this.error, why: this.why || why, opened: this.opened, asked: this.asked });
  }
}
