import { expect, test } from 'bun:test';
import { readFile } from 'node:fs/promises';
import { childCommand, llamaTest, tinyCoder } from './testing/needs-llama.ts';

const apiKey = 'secret-secret-secret-secret';
const parameters = { modelPath: tinyCoder, modelId: 'tiny-coder', apiKey };
const spawn = () => Bun.spawn(childCommand, { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' });

/** Starts a child and waits until it says that it is ready. */
async function readyChild() {
  const child = spawn();
  void child.stdin.write(`${JSON.stringify(parameters)}\n`);
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = '';
  while (!said.includes('"ready":true')) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`it ended: ${said}`);
    said += value;
  }
  return { child, said };
}

llamaTest('listens before it is ready, and ends when its stdin ends', async () => {
  const { child, said } = await readyChild();
  const events = said
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string; port?: number });
  expect(events[0]?.event).toBe('listening');
  expect(events.at(-1)).toMatchObject({ event: 'ready', ready: true, port: events[0]?.port, contextLength: 96 });
  await child.stdin.end();
  expect(await child.exited).toBe(0);
});

llamaTest('ends on SIGTERM; nobody can read its key from outside', async () => {
  const { child, said } = await readyChild();
  for (const file of ['cmdline', 'environ']) {
    const text = await readFile(`/proc/${child.pid}/${file}`, 'utf8').catch(() => '');
    expect(text).not.toContain(apiKey);
  }
  expect(said).not.toContain(apiKey);
  child.kill('SIGTERM');
  expect(await child.exited).toBe(0);
});

test.each([
  ['nothing', '', /stdin ended before the parameters came/],
  ['no JSON', 'hello\n', /JSON/],
  ['a wildcard address', `${JSON.stringify({ ...parameters, host: '0.0.0.0' })}\n`, /127\.0\.0\.1/],
  ['too much', 'x'.repeat(70_000), /too long/],
])('given %s it says what is wrong', async (_name, input, says) => {
  const child = spawn();
  void child.stdin.write(input);
  await child.stdin.end();
  expect(await child.exited).toBe(1);
  const message = JSON.parse(await child.stdout.text()) as { event: string; message: string };
  expect(message.event).toBe('failed');
  expect(message.message).toMatch(says);
});
