// Drives nodes with ioredis and compares what they hold afterwards.
//
// Usage: NODE_PATH=... node ioredis.js PORT PORT PORT

"use strict";

const assert = require("node:assert");

let Redis;
try {
  Redis = require("ioredis");
} catch {
  console.error("ioredis is not in NODE_PATH: run ./test, or npm install ioredis");
  process.exit(1);
}

const ports = process.argv.slice(2).map(Number);

async function commands(redis, port) {
  const own = `own:${port}:`;
  assert.equal(await redis.ping(), "PONG");
  assert.equal(await redis.set(own + "a", "1", "EX", 100), "OK");
  assert.ok((await redis.ttl(own + "a")) > 90);
  const bytes = Buffer.from([0, 13, 10, 255]);
  await redis.set(own + "b", bytes);
  assert.deepEqual(await redis.getBuffer(own + "b"), bytes);
  assert.equal(await redis.set(own + "b", "x", "NX"), null);
  assert.deepEqual(await redis.mget(own + "a", own + "none"), ["1", null]);
  assert.equal(await redis.del(own + "b", own + "none"), 1);
  const found = [];
  for await (const keys of redis.scanStream({ match: own + "*" })) found.push(...keys);
  assert.deepEqual(found, [own + "a"]);
  await assert.rejects(redis.call("NONSENSE"), /ERR unknown command/);
}

async function sameKeys(redis, port) {
  const pipeline = redis.pipeline();
  for (let i = 0; i < 500; i++) {
    const key = `key:${(i * 7 + port) % 100}`;
    if (i % 5 === 0) pipeline.del(key);
    else pipeline.set(key, `${port}:${i}`);
  }
  for (const [error] of await pipeline.exec()) assert.equal(error, null);
}

async function everything(redis) {
  const keys = (await redis.keys("*")).sort();
  return [keys, await redis.mget(...keys)];
}

async function main() {
  const clients = ports.map((port) => new Redis({ port, maxRetriesPerRequest: 1 }));
  await Promise.all(clients.map((redis, index) => commands(redis, ports[index])));
  await Promise.all(clients.map((redis, index) => sameKeys(redis, ports[index])));
  // Every write was acknowledged by every node, so there is nothing to wait for.
  const contents = await Promise.all(clients.map(everything));
  assert.ok(contents[0][0].length > 0);
  for (const content of contents) assert.deepEqual(content, contents[0]);
  await Promise.all(clients.map((redis) => redis.quit()));
  console.log("ioredis: all checks passed");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
