// SPDX-License-Identifier: BSD-3-Clause
// What Signal's library wants kept, in the client's storage. Each use of a ratchet is a transaction: it reads what is kept and what it
// has changed itself, and its changes are written together with the message they belong to, or thrown away.

import { Changes } from "../shared/changes.js";
import S from "./libsignal.js";

export const DEVICES = "signal/devices/", KNOWN = "signal/known/", OWN = "signal/own";
const SESSION = "signal/session/", KEY = "signal/key/", SIGNED = "signal/signed/", KYBER = "signal/kyber/", USED = "signal/used/";
export const SIGNED_KEY = 1, LAST_RESORT = 1; // the numbers of the keys that are not for one time

export class Transaction extends Changes {
  /** @param {Map<string, any>} own of the client */
  constructor(own) {
    super(own);
    this.newNumbers = new Set(); // users who came with another identity key than before
    this.sessions = new Sessions(this);
    this.identities = new Identities(this);
    this.keys = new Keys(this);
    this.signedKeys = new SignedKeys(this);
    this.kyberKeys = new KyberKeys(this);
  }

  known(user) {
    return this.get(KNOWN + user);
  }

  hasSession(name) {
    return this.get(SESSION + name.toString()) !== undefined;
  }

  dropSession(name) {
    this.set(SESSION + name.toString(), null);
  }
}

class Sessions extends S.SessionStore {
  constructor(transaction) {
    super();
    this.kept = transaction;
  }
  async saveSession(name, record) {
    this.kept.set(SESSION + name.toString(), record.serialize());
  }
  async getSession(name) {
    const held = this.kept.get(SESSION + name.toString());
    return held === undefined ? null : S.SessionRecord.deserialize(held);
  }
  async getExistingSessions(names) {
    return Promise.all(names.map((name) => this.getSession(name)));
  }
}

/**
 * All devices of a person share an identity key. Who is met first is trusted; when the key has changed, what comes is still read,
 * and noted, but nothing is sent until the person says that the new number is good.
 */
class Identities extends S.IdentityKeyStore {
  constructor(transaction) {
    super();
    this.kept = transaction;
  }
  async getIdentityKey() {
    return S.PrivateKey.deserialize(this.kept.get(OWN).privateKey);
  }
  async getLocalRegistrationId() {
    return this.kept.get(OWN).registrationId;
  }
  async saveIdentity(name, key) {
    const user = name.name(), before = this.kept.known(user), bytes = key.serialize();
    const same = before === undefined || Buffer.compare(before.key, bytes) === 0;
    if (before === undefined || !same) this.kept.set(KNOWN + user, { key: bytes, changed: !same });
    if (!same) this.kept.newNumbers.add(user);
    return same ? S.IdentityChange.NewOrUnchanged : S.IdentityChange.ReplacedExisting;
  }
  async isTrustedIdentity(name, key, direction) {
    const known = this.kept.known(name.name());
    if (direction === S.Direction.Receiving || known === undefined) return true;
    return !known.changed && Buffer.compare(known.key, key.serialize()) === 0;
  }
  async getIdentity(name) {
    const known = this.kept.known(name.name());
    return known === undefined ? null : S.PublicKey.deserialize(known.key);
  }
}

function held(kept, name) {
  const bytes = kept.get(name);
  if (bytes === undefined) throw new Error(`no ${name}`);
  return bytes;
}

class Keys extends S.PreKeyStore {
  constructor(transaction) {
    super();
    this.kept = transaction;
  }
  async savePreKey(id, record) {
    this.kept.set(KEY + id, record.serialize());
  }
  async getPreKey(id) {
    return S.PreKeyRecord.deserialize(held(this.kept, KEY + id));
  }
  async removePreKey(id) {
    this.kept.set(KEY + id, null);
  }
}

class SignedKeys extends S.SignedPreKeyStore {
  constructor(transaction) {
    super();
    this.kept = transaction;
  }
  async saveSignedPreKey(id, record) {
    this.kept.set(SIGNED + id, record.serialize());
  }
  async getSignedPreKey(id) {
    return S.SignedPreKeyRecord.deserialize(held(this.kept, SIGNED + id));
  }
}

class KyberKeys extends S.KyberPreKeyStore {
  constructor(transaction) {
    super();
    this.kept = transaction;
  }
  async saveKyberPreKey(id, record) {
    this.kept.set(KYBER + id, record.serialize());
  }
  async getKyberPreKey(id) {
    return S.KyberPreKeyRecord.deserialize(held(this.kept, KYBER + id));
  }
  /** A one-time key is gone with its use; the one of last resort serves each handshake once. */
  async markKyberPreKeyUsed(id, signedId, baseKey) {
    if (id !== LAST_RESORT) return this.kept.set(KYBER + id, null);
    const name = `${USED}${signedId}/${Buffer.from(baseKey.serialize()).toString("base64url")}`;
    if (this.kept.get(name) !== undefined) throw new Error("a handshake that was used before");
    return this.kept.set(name, true);
  }
}
