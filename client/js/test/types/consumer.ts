// SPDX-License-Identifier: BSD-3-Clause
// A program in TypeScript that uses the package by its name, and so the .d.ts files that `npm run types` writes. It is compiled, not run; where
// an error is expected, its absence is one.

import { Client, FileStorage, Identity, MemoryStorage, nodeHttp, nodeWebSocket, openMedia, RequestError, safetyNumber, sealMedia, textOf, utf8 } from "waxwire-client";
import type { Answer, Change, Client as ClientType, Connect, Message, Options, Sent, Snapshot, Storage } from "waxwire-client";

class Counting implements Storage {
  writes = 0;
  constructor(readonly inner: MemoryStorage) {}
  open(): Promise<Snapshot> {
    return this.inner.open();
  }
  async write(changes: Change[]): Promise<void> {
    this.writes++;
    await this.inner.write(changes);
  }
  close(): Promise<void> {
    return this.inner.close();
  }
}

export async function talk(seed: Uint8Array, to: string): Promise<bigint> {
  const connect: Connect = nodeWebSocket("wss://relay.example/v1/relay", { ca: "PEM", address: "192.0.2.1" });
  const options: Options = { identity: await Identity.fromSeed(seed), connect, device: 2, storage: new Counting(new MemoryStorage()), http: nodeHttp(), mediaUrl: "https://x/v1/media" };
  const client: ClientType = new Client(options);
  const off: () => void = client.on("message", async (message: Message) => {
    const text: string = textOf(message.payload);
    await message.done([["last", { text, id: message.id }]]);
    client.read([message]);
  });
  client.on("status", (answer: Answer) => answer.kind === "rejected" && console.log(answer.text));
  await client.start();
  const sent: Sent = await client.send({ user: to }, utf8("hello"), { urgent: true, ttl: 60, own: (id: bigint) => [["sent", id]] });
  const first: Answer = await sent.answered;
  const many: Sent = await client.sendMulti([{ user: to, device: 1, head: utf8("head") }], utf8("shared"));
  const keys = await client.getKeys(to, { take: true });
  if (keys !== null) console.log(safetyNumber(client.identity.accountKey, keys.accountKey), keys.devices.map((each): number => each.device));
  const { sealed, key, hash } = sealMedia(utf8("photo"));
  const { id } = await client.upload(sealed, { onProgress: (done: number, all: number) => console.log(done / all) });
  const photo: Uint8Array = openMedia(await client.download(id, { from: 0 }), key, hash);
  off();
  if (photo.length === 0) throw new RequestError(0, first.text);

  // @ts-expect-error: an event that there is not
  client.on("massage", () => {});
  // @ts-expect-error: a text is not bytes
  await client.send({ user: to }, "hello");
  // @ts-expect-error: without an identity
  new Client({ connect });
  // @ts-expect-error: ids are bigint
  const wrong: number = many.id;
  console.log(wrong, new FileStorage("client.journal").path);
  return many.id;
}
