// SPDX-License-Identifier: BSD-3-Clause
// A device's keys in the relay's directory: a bundle (identity key, signed pre-key, post-quantum key of last resort), and one-time keys, each a
// pair of a pre-key and a post-quantum key. The relay's library has checked the account's signature over a bundle before it is read here.

import { fromBase64url, textOf, toBase64url, utf8 } from "../../src/node.js";
import S from "./libsignal.js";
import { LAST_RESORT, OWN, SIGNED_KEY } from "./stores.js";

const VERSION = 2;

/** Makes the keys of a new device; `identity` is the private key of the person's other devices, where there are some. */
export async function makeDevice(kept, identity) {
  const privateKey = identity === undefined ? S.PrivateKey.generate() : S.PrivateKey.deserialize(identity);
  const signed = S.PrivateKey.generate(), kyber = S.KEMKeyPair.generate(), now = Date.now();
  const signedSignature = privateKey.sign(signed.getPublicKey().serialize());
  const kyberSignature = privateKey.sign(kyber.getPublicKey().serialize());
  await kept.signedKeys.saveSignedPreKey(SIGNED_KEY, S.SignedPreKeyRecord.new(SIGNED_KEY, now, signed.getPublicKey(), signed, signedSignature));
  await kept.kyberKeys.saveKyberPreKey(LAST_RESORT, S.KyberPreKeyRecord.new(LAST_RESORT, now, kyber, kyberSignature));
  const registrationId = 1 + Math.floor(Math.random() * 16380);
  const bundle = utf8(JSON.stringify({
    version: VERSION, registrationId, identity: toBase64url(privateKey.getPublicKey().serialize()),
    signed: toBase64url(signed.getPublicKey().serialize()), signedSignature: toBase64url(signedSignature),
    kyber: toBase64url(kyber.getPublicKey().serialize()), kyberSignature: toBase64url(kyberSignature),
  }));
  kept.set(OWN, { privateKey: privateKey.serialize(), registrationId, bundle, lastKey: LAST_RESORT, published: false });
}

/** Makes `count` one-time keys; returns what the directory gets. */
export async function makeOneTimeKeys(kept, count) {
  const own = { ...kept.get(OWN) }, identity = S.PrivateKey.deserialize(own.privateKey), keys = [], now = Date.now();
  for (let n = 0; n < count; n++) {
    const id = ++own.lastKey, secret = S.PrivateKey.generate(), kyber = S.KEMKeyPair.generate();
    const signature = identity.sign(kyber.getPublicKey().serialize());
    await kept.keys.savePreKey(id, S.PreKeyRecord.new(id, secret.getPublicKey(), secret));
    await kept.kyberKeys.saveKyberPreKey(id, S.KyberPreKeyRecord.new(id, now, kyber, signature));
    keys.push(utf8(JSON.stringify({
      id, key: toBase64url(secret.getPublicKey().serialize()), kyber: toBase64url(kyber.getPublicKey().serialize()), signature: toBase64url(signature),
    })));
  }
  kept.set(OWN, own);
  return keys;
}

/** A bundle of the directory, read. */
export function readBundle(bytes) {
  const bundle = JSON.parse(textOf(bytes));
  if (bundle.version !== VERSION) throw new Error(`a bundle of version ${bundle.version}`);
  return bundle;
}

/** What Signal's library begins a session from: a device's bundle and, where one was left, a one-time key. */
export function preKeyBundle({ device, bundle, key }) {
  const read = readBundle(bundle), one = key && JSON.parse(textOf(key));
  const kyber = one ? [one.id, one.kyber, one.signature] : [LAST_RESORT, read.kyber, read.kyberSignature];
  return S.PreKeyBundle.new(
    read.registrationId, device, one ? one.id : null, one ? S.PublicKey.deserialize(fromBase64url(one.key)) : null,
    SIGNED_KEY, S.PublicKey.deserialize(fromBase64url(read.signed)), fromBase64url(read.signedSignature),
    S.PublicKey.deserialize(fromBase64url(read.identity)), kyber[0], S.KEMPublicKey.deserialize(fromBase64url(kyber[1])), fromBase64url(kyber[2]));
}
