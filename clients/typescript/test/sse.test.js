import assert from "node:assert/strict";
import { test } from "node:test";

import { EventParser } from "../dist/sse.js";

const read = (...texts) => {
  const parser = new EventParser();
  return texts.flatMap((text) => parser.push(text));
};

test("a message ends with an empty line, whatever lines end with", () => {
  for (const end of ["\n", "\r", "\r\n"]) {
    const text = ["id: 7", "event: typing", "data: one", "data: two", "", ""].join(end);
    assert.deepEqual(read(text), [{ event: "typing", data: "one\ntwo", id: "7" }], JSON.stringify(end));
  }
});

test("half a message is none", () => {
  assert.deepEqual(read("data: one\n\ndata: two\n"), [{ event: "message", data: "one", id: "" }]);
});

test("comments, unknown fields and messages without data are passed over", () => {
  assert.deepEqual(read(": hello\nretry: 5\nwhat: ever\nevent: x\n\ndata\n\n"), [{ event: "message", data: "", id: "" }]);
});

test("only one blank after the colon belongs to the field, and an id stays until the next", () => {
  assert.deepEqual(read("id:1\ndata:  a: b\n\ndata:c\n\nid\ndata:d\n\nid: x\0\ndata:e\n\n"), [
    { event: "message", data: " a: b", id: "1" },
    { event: "message", data: "c", id: "1" },
    { event: "message", data: "d", id: "" },
    { event: "message", data: "e", id: "" },
  ]);
});

test("it does not matter where the bytes are cut", () => {
  const text = '\uFEFFid: ä1\r\nevent: messageSent\r\ndata: {"text":"grüße 👋"}\r\n\r\n: comment\r\rdata: two\rdata: lines\r\r\n\ndata: x\n\n';
  const bytes = Buffer.from(text);
  const whole = [
    { event: "messageSent", data: '{"text":"grüße 👋"}', id: "ä1" },
    { event: "message", data: "two\nlines", id: "ä1" },
    { event: "message", data: "x", id: "ä1" },
  ];
  for (let first = 0; first <= bytes.length; first++) {
    for (const size of [1, 2, 3, 7, bytes.length]) {
      const [decoder, parser, found] = [new TextDecoder(), new EventParser(), []];
      for (let at = 0; at < bytes.length; ) {
        const end = at === 0 && first > 0 ? first : at + size;
        found.push(...parser.push(decoder.decode(bytes.subarray(at, end), { stream: true })));
        at = end;
      }
      assert.deepEqual(found, whole, `first ${first}, then ${size}`);
    }
  }
});
