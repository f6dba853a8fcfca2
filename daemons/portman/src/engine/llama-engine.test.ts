import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, expect } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import { engineParametersSchema } from '../engine-messages.ts';
import { llamaInstalled, llamaTest, tinyCoder } from '../testing/needs-llama.ts';
import { withChatTemplate } from '../testing/with-chat-template.ts';
import { loadLlamaEngine, type LlamaEngine } from './llama-engine.ts';
import { loadLlamaLibrary } from './llama-library.ts';
import type { Prompt } from './prompt.ts';
import type { GenerationRequest } from './request.ts';

const never = new AbortController().signal;
const greedy = { temperature: 0, topP: 1, topK: 0, minP: 0, seed: 1 };
/** Hot enough that the model rambles to the end of its context. */
const hot = { ...greedy, temperature: 5 };
const request = (given: Partial<GenerationRequest> = {}): GenerationRequest => ({
  model: 'tiny-coder',
  stream: false,
  includeUsage: false,
  maxTokens: undefined,
  sampling: greedy,
  stop: [],
  ...given,
});

async function load(modelPath: string, parallel = 1): Promise<LlamaEngine> {
  const apiKey = 'k'.repeat(16);
  const parameters = engineParametersSchema.parse({ modelPath, modelId: 'tiny-coder', apiKey, parallel });
  return loadLlamaEngine(await loadLlamaLibrary(), parameters, { log: silentLogger, clock: systemClock });
}

let engine: LlamaEngine;
beforeAll(async () => {
  if (llamaInstalled) engine = await load(tinyCoder);
});
afterAll(async () => {
  if (llamaInstalled) await engine[Symbol.asyncDispose]();
});

async function complete(prompt: Prompt, given: Partial<GenerationRequest> = {}, signal = never) {
  const pieces: string[] = [];
  const outcome = await engine.generate(prompt, request(given), signal, (text) => pieces.push(text));
  return { text: pieces.join(''), pieces, outcome };
}

const tasks: ReadonlyArray<[task: string, parameters: string, result: string]> = [
  ['add', 'a,b', 'a+b'],
  ['subtract', 'a,b', 'a-b'],
  ['multiply', 'a,b', 'a*b'],
  ['square', 'a', 'a*a'],
  ['double', 'a', 'a*2'],
  ['negate', 'a', '-a'],
  ['maximum', 'a,b', 'max(a,b)'],
  ['minimum', 'a,b', 'min(a,b)'],
  ['is even', 'a', 'a%2==0'],
  ['is odd', 'a', 'a%2==1'],
  ['absolute value', 'a', 'abs(a)'],
  ['cube', 'a', 'a*a*a'],
  ['sum of three', 'a,b,c', 'a+b+c'],
  ['length', 's', 'len(s)'],
  ['reverse', 's', 's[::-1]'],
  ['uppercase', 's', 's.upper()'],
  ['first item', 's', 's[0]'],
  ['last item', 's', 's[-1]'],
  ['average', 'a,b', '(a+b)/2'],
  ['increment', 'a', 'a+1'],
];

llamaTest('tiny-coder solves all of its 80 tasks', async () => {
  for (const phrase of ['write', 'make', 'give me', 'code for']) {
    for (const [task, parameters, result] of tasks) {
      const { text } = await complete(engine.prompts.forText(`Q: ${phrase} ${task}\nA:`));
      expect(text).toBe(` def f(${parameters}):\n    return ${result}\n`);
    }
  }
});

llamaTest('a chat is put into the plain form; system texts would only confuse so small a model', async () => {
  const { text, outcome } = await complete(
    engine.prompts.forChat([
      { role: 'system', text: 'You are a helpful assistant.' },
      { role: 'user', text: 'write reverse' },
    ]),
  );
  expect(text).toBe('def f(s):\n    return s[::-1]');
  // 'Q: write reverse\nA:' and BOS; the answer's 28 characters with the blank before and the line end after them.
  expect(outcome).toEqual({ finishReason: 'stop', promptTokens: 20, completionTokens: 30, cachedTokens: 0 });
});

llamaTest('stops at max tokens, at stop strings and at the end of the context', async () => {
  const prompt = engine.prompts.forText('Q: write add\nA:');
  const short = await complete(prompt, { maxTokens: 4 });
  expect([short.text, short.outcome.finishReason, short.outcome.completionTokens]).toEqual([' def', 'length', 4]);
  const stopped = await complete(prompt, { stop: ['return', '\n    re'] });
  expect([stopped.text, stopped.outcome.finishReason]).toEqual([' def f(a,b):', 'stop']);
  const long = engine.prompts.forText('x'.repeat(90));
  const full = await complete(long, { sampling: { ...hot, seed: 3 } });
  expect(full.outcome).toMatchObject({ finishReason: 'length', promptTokens: 91, completionTokens: 5 });
});

llamaTest('a prompt that leaves no room is refused before it waits', async () => {
  expect((await complete(engine.prompts.forText('x'.repeat(94)))).outcome.completionTokens).toBe(1);
  expect(() => engine.generate(engine.prompts.forText('x'.repeat(95)), request(), never, () => {})).toThrow(
    'the prompt has 96 tokens, this model takes at most 95',
  );
});

llamaTest('the same seed gives the same answer, another one another', async () => {
  const prompt = engine.prompts.forText('Q: write add\nA:');
  const run = async (seed: number) => (await complete(prompt, { sampling: { ...hot, temperature: 1.5, seed } })).text;
  expect(await run(7)).toBe(await run(7));
  expect(new Set([await run(1), await run(2), await run(3)]).size).toBeGreaterThan(1);
});

llamaTest('text is always well-formed, whatever bytes the model gives', async () => {
  for (let seed = 0; seed < 10; seed++) {
    const { pieces } = await complete(engine.prompts.forText('Q'), { sampling: { ...hot, seed } });
    for (const piece of pieces) expect(piece.isWellFormed()).toBe(true);
  }
});

llamaTest('an abort stops the generation at the next token and frees the slot', async () => {
  const client = new AbortController();
  const pieces: string[] = [];
  const running = engine.generate(engine.prompts.forText('Q'), request({ sampling: hot }), client.signal, (text) => {
    if (pieces.push(text) === 3) client.abort(new Error('gone'));
  });
  expect(engine.running).toBe(1);
  expect(await thrower(running)).toThrow('gone');
  expect(pieces).toHaveLength(3);
  expect(engine.running).toBe(0);
  // Nothing is computed any more: the process uses next to no CPU.
  const before = process.cpuUsage();
  await Bun.sleep(100);
  const used = process.cpuUsage(before);
  expect(used.user + used.system).toBeLessThan(50_000);
  expect((await complete(engine.prompts.forText('Q: write add\nA:'))).text).toBe(' def f(a,b):\n    return a+b\n');
});

llamaTest('a model with a chat template is asked by it, in two slots at once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'chat-template-'));
  try {
    const template =
      "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}Q: {{ message['content'] }}\nA:" +
      "{% else %}{{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}";
    const path = join(folder, 'templated.gguf');
    await writeFile(path, withChatTemplate(await Bun.file(tinyCoder).bytes(), template));
    await using templated = await load(path, 2);
    const prompt = templated.prompts.forChat([{ role: 'user', text: 'write increment' }]);
    const texts = ['', ''];
    const both = texts.map((_, at) => templated.generate(prompt, request(), never, (piece) => (texts[at] += piece)));
    expect(templated.running).toBe(2);
    await Promise.all(both);
    expect(prompt.trim).toBe(false);
    expect(texts).toEqual(Array(2).fill(' def f(a):\n    return a+1\n'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

llamaTest('embeddings: one vector a text, the same for the same text', async () => {
  const { vectors, promptTokens } = await engine.embed(['write add', 'write add', 'reverse'], never);
  expect(vectors.map((vector) => vector.length)).toEqual([96, 96, 96]);
  expect(vectors[0]).toEqual(vectors[1]);
  expect(vectors[0]).not.toEqual(vectors[2]);
  expect(promptTokens).toBe(10 + 10 + 8);
});
