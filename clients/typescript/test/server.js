import { createServer } from "node:http";

/** A server on a free port that answers with what `handle(request, body, response)` returns: an object is JSON with status 200. */
export async function serve(test, handle) {
  const calls = [];
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const text = Buffer.concat(parts).toString();
    const body = text === "" ? undefined : JSON.parse(text);
    const url = new URL(request.url, "http://localhost");
    calls.push({ verb: request.method, path: url.pathname, query: url.searchParams, headers: request.headers, body });
    const answer = await handle(calls.at(-1), calls.length, response);
    if (answer !== undefined) {
      const { status = 200, headers = {}, ...rest } = answer.problem ? answer.problem : { ...answer.as, body: answer };
      const kind = answer.problem ? "application/problem+json" : "application/json";
      response.writeHead(status, { "content-type": kind, ...headers });
      response.end(JSON.stringify(answer.problem ? { status, ...rest } : rest.body));
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, calls };
}

/** A problem document. */
export function problem(status, reason, headers = {}) {
  return { problem: { status, reason, headers, detail: `told ${reason}`, domain: "test.nova", metadata: {}, violations: [] } };
}

let made = 0;

/** Tokens whose access token says whose it is and from when to when it is good, in seconds from now. */
export function tokens({ from = 0, life = 900, sub = "alice" } = {}) {
  const iat = Math.floor(Date.now() / 1000) + from;
  made += 1;
  const payload = Buffer.from(JSON.stringify({ sub, iat, exp: iat + life, jti: made })).toString("base64url");
  return {
    accessToken: `e30.${payload}.signature`,
    refreshToken: `refresh-${made}`,
    tokenType: "Bearer",
    expiresIn: String(life),
    sessionId: "session",
  };
}

/** The token that a call came with. */
export function bearer(call) {
  return call.headers.authorization?.replace("Bearer ", "");
}

/** Begins a stream of events; what is written goes out as it is. */
export function stream(response) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.flushHeaders();
  return {
    send(event, name = Object.keys(event).find((key) => typeof event[key] === "object")) {
      const id = event.cursor ? `id: ${event.cursor}\n` : "";
      response.write(`${id}event: ${name}\ndata: ${JSON.stringify(event)}\n\n`);
    },
    problem(status, reason) {
      const document = { status, reason, detail: `told ${reason}`, domain: "messaging.nova", metadata: {}, violations: [] };
      response.end(`event: problem\ndata: ${JSON.stringify(document)}\n\n`);
    },
    write: (bytes) => void response.write(bytes),
    end: () => void response.end(),
    cut: () => void response.destroy(),
  };
}
