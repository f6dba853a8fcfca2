import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { llamaInstalled, tinyCoder } from '@labmesh/portman/testing/needs-llama';
import { LabctlHome, labctlFile, type LabctlProcess, type Ready } from './harness/labctl-process.ts';
import type { EngineSimulator } from './simulators/engines/engine-simulator.ts';
import { startEngine } from './simulators/engines/start-engine.ts';

const alone = ['--no-discovery', '--no-demo'];

/** Settings that name one server. */
function settingsFor(home: LabctlHome, engine: EngineSimulator): string[] {
  const file = join(home.folder, 'settings.toml');
  writeFileSync(file, `[[endpoints]]\nname = "sim"\nbase_url = "${engine.url}/v1"\n`);
  return [...alone, '--config', file];
}

const askStream = (ready: Ready, model: string, init: RequestInit = {}) =>
  fetch(`${ready.api}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ready.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }], stream: true }),
    ...init,
  });

describe('labctl beside a running labmesh', () => {
  const home = new LabctlHome();
  let engine: EngineSimulator;
  let labctl: LabctlProcess;
  let ready: Ready;
  beforeAll(async () => {
    engine = await startEngine({ kind: 'vllm' });
    ({ labctl, ready } = await home.up(...settingsFor(home, engine)));
  });
  afterAll(async () => {
    await labctl[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
    home[Symbol.dispose]();
  });
  const run = (...words: string[]) => home.run(...words, '--data', home.data);
  const json = async (...words: string[]) => JSON.parse((await run(...words, '--json')).stdout);

  test('up --json prints one line and nothing else on stdout', () => {
    expect(labctl.stdout.trim().split('\n')).toHaveLength(1);
    expect(ready.api).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/);
    expect(ready.key).toStartWith('lmk_');
    expect(ready.models).toEqual([expect.objectContaining({ id: engine.models[0] ?? '', endpoints: ['sim'] })]);
  });

  test('what is in the data folder is private', () => {
    expect(statSync(home.data).mode & 0o777).toBe(0o700);
    for (const name of ['run.json', 'api.key']) expect(statSync(join(home.data, name)).mode & 0o777).toBe(0o600);
  });

  test('status, models, endpoints, as table and as JSON', async () => {
    expect(await json('status')).toMatchObject({ running: true, pid: labctl.pid, api: ready.api, models: 1 });
    expect((await run('status')).stdout).toContain('1 of 1 healthy');
    expect(await json('models')).toMatchObject({ models: [{ id: engine.models[0] }] });
    expect((await run('models')).stdout).toStartWith('MODEL');
    expect(await json('endpoints')).toMatchObject({ endpoints: [{ name: 'sim', kind: 'vllm', state: 'healthy' }] });
    expect((await run('endpoints')).stdout).toContain('healthy');
  });

  test('chat streams text, or gives the whole answer as JSON', async () => {
    const { exitCode, stdout } = await run('chat', 'hello');
    expect(exitCode).toBe(0);
    const whole = await json('chat', '-m', engine.models[0] ?? '', 'hello');
    expect(whole).toMatchObject({ object: 'chat.completion', usage: { completion_tokens: 8 } });
    expect(stdout).toBe(`${whole.choices[0].message.content}\n`);
    const wrong = await run('chat', '-m', 'nope', 'hello');
    expect(wrong.exitCode).toBe(1);
    expect(wrong.stderr).toMatch(/error: .*'nope'.*\nhint: labctl models/);
  });

  test('usage by key and by model', async () => {
    await run('chat', 'hello');
    const { usage } = await json('usage');
    expect(usage).toEqual([expect.objectContaining({ by: 'key', errors: 0 })]);
    expect(usage[0].completionTokens).toBe(usage[0].requests * 8);
    expect((await run('usage')).stdout).toMatch(/KEY .*\n\w{12} first/);
    expect((await json('usage', '--by', 'model')).usage[0].id).toBe(engine.models[0]);
    expect((await run('usage', '--by', 'moon')).exitCode).toBe(2);
  });

  test('the mode of verification is shown and set, kept answers are forgotten', async () => {
    expect(await json('arena', 'mode')).toEqual({ mode: 'passthrough', cached: 0 });
    expect(await json('arena', 'mode', 'audit')).toEqual({ mode: 'audit', before: 'passthrough' });
    expect((await run('status')).stdout).toContain('audit, 0 answers kept');
    expect((await run('arena', 'mode', 'passthrough')).stdout).toBe('passthrough (before: audit)\n');
    const wrong = await run('arena', 'mode', 'always');
    expect([wrong.exitCode, wrong.stderr]).toEqual([2, expect.stringContaining('one of passthrough, audit')]);
    expect(await json('arena', 'clear-cache', '--tenant', 'acme')).toEqual({ cleared: 0 });
    expect((await run('arena', 'clear-cache')).stdout).toBe('forgotten: 0\n');
    expect((await run('arena', 'clear-cache', '--tenant', 'no tenant')).exitCode).toBe(1);
  });

  test('a key is made, works, is listed, and ends', async () => {
    const made = await json('keys', 'create', 'laptop', '--priority', 'high', '--variations', '9');
    const ask = () => fetch(`${ready.api}/models`, { headers: { authorization: `Bearer ${made.key}` } });
    expect((await ask()).status).toBe(200);
    const { keys } = await json('keys', 'list');
    expect(keys.map((key: { name: string }) => key.name)).toEqual(['first', 'laptop']);
    expect(keys[1]).toMatchObject({ scopes: expect.arrayContaining(['chat', 'priority:high']), variations: 9 });
    expect((await run('keys', 'create', 'x', '--priority', 'urgent')).exitCode).toBe(2);
    const edited = await json('keys', 'edit', made.key, '--priority', 'low', '--variations', '3');
    expect(edited).toMatchObject({ id: made.id, scopes: expect.arrayContaining(['priority:low']), variations: 3 });
    const table = (await run('keys', 'list')).stdout;
    expect(table).toMatch(/PRIORITY +VARIATIONS/);
    expect(table).toMatch(/laptop +default +- +low +3 +active/);
    expect((await run('keys', 'edit', made.id, '--variations', '0')).stdout).toContain('is changed');
    expect((await json('keys', 'list')).keys[1].variations).toBeUndefined();
    for (const wrong of [['--priority', 'urgent'], ['--variations', '17'], []])
      expect((await run('keys', 'edit', made.id, ...wrong)).exitCode).toBe(2);
    expect((await run('keys', 'edit', 'zzzzzzzzzzzz', '--priority', 'high')).stderr).toContain('labctl keys list');
    expect((await run('keys', 'list')).stdout).not.toContain(made.key);
    expect(await run('keys', 'revoke', made.id)).toMatchObject({
      exitCode: 0,
      stdout: `key ${made.id} (laptop) is revoked\n`,
    });
    expect((await ask()).status).toBe(401);
    expect((await run('keys', 'revoke', 'zzzzzzzzzzzz')).stderr).toContain('hint: labctl keys list');
  });

  test('a second start on the folder says who holds it, one on the port too', async () => {
    const second = await run('up', '--port', '0');
    expect(second.exitCode).toBe(8);
    expect(second.stderr).toContain(`is in use by pid ${labctl.pid} since 20`);
    expect(second.stderr).toContain(`API at ${ready.api}`);
    const { port } = new URL(ready.api);
    const other = await home.run('up', '--port', port, '--data', join(home.folder, 'other'), ...alone);
    expect(other.exitCode).toBe(8);
    expect(other.stderr).toContain(`port ${port} is in use by`);
    expect(other.stderr).toContain(`(pid ${labctl.pid})`);
  });

  test('doctor knows the port as its own', async () => {
    const { port } = new URL(ready.api);
    const found = await json('doctor', '--port', port);
    expect(found.checks).toContainEqual({ name: `port ${port}`, state: 'ok', text: 'in use by this labmesh' });
  });
});

describe('the end of labctl up', () => {
  test('Ctrl-C lets an open stream end, and says so', async () => {
    using home = new LabctlHome();
    await using engine = await startEngine({ kind: 'vllm', tokens: 10, tokenDelayMs: 60 });
    const { labctl, ready } = await home.up(...settingsFor(home, engine));
    await using _ = labctl;
    const stream = await askStream(ready, engine.models[0] ?? '');
    labctl.signal('SIGINT');
    await labctl.says('draining 1 open stream (up to 30 s, Ctrl-C again to stop now)');
    expect(await stream.text()).toContain('data: [DONE]');
    expect(await labctl.exited).toBe(0);
    expect(labctl.stderr).toEndWith('stopped\n');
    const status = await home.run('status', '--data', home.data);
    expect(status.exitCode).toBe(1);
    expect(status.stdout).toStartWith(`state      not running on ${home.data}\n`);
    expect(status.stderr).toContain(`labmesh is not running on ${home.data}\nhint: start it with labctl up`);
  });

  test('a stream that takes too long is cut with an error inside it', async () => {
    using home = new LabctlHome();
    await using engine = await startEngine({ kind: 'vllm', tokens: 1_000, tokenDelayMs: 50 });
    const settings = settingsFor(home, engine);
    writeFileSync(
      settings.at(-1) ?? '',
      `[gateway]\ndrain_s = 0.3\n[[endpoints]]\nname = "sim"\nbase_url = "${engine.url}/v1"\n`,
    );
    const { labctl, ready } = await home.up(...settings);
    await using _ = labctl;
    const stream = await askStream(ready, engine.models[0] ?? '');
    labctl.signal('SIGTERM');
    expect(await stream.text()).toContain('server_shutting_down');
    expect(await labctl.exited).toBe(0);
    expect(labctl.stderr).toContain('1 open stream did not end in time and was cut');
  });

  test('a second Ctrl-C stops at once', async () => {
    using home = new LabctlHome();
    await using engine = await startEngine({ kind: 'vllm', tokens: 1_000, tokenDelayMs: 50 });
    const { labctl, ready } = await home.up(...settingsFor(home, engine));
    await using _ = labctl;
    const leaving = new AbortController();
    await askStream(ready, engine.models[0] ?? '', { signal: leaving.signal });
    labctl.signal('SIGINT');
    await labctl.says('draining');
    labctl.signal('SIGINT');
    expect(await labctl.exited).toBe(1);
    leaving.abort();
    // The folder is free for the next start.
    const again = await home.up(...alone);
    again.labctl.signal('SIGINT');
    expect(await again.labctl.exited).toBe(0);
  });
});

describe('labctl up', () => {
  test.each([
    ['[gateway]\nport = "x"\n', 'settings.toml:2: gateway.port: found "x", expected an integer 0–65535'],
    ['[gatewai]\nport = 1\n', 'settings.toml:1: gatewai: unknown key; did you mean gateway?'],
    ['[[endpoints]]\nname = "a"\nbase_url = "nope"\n', 'endpoints'],
    ['x = ', 'not valid TOML'],
  ])('%j is refused by name', async (text, message) => {
    using home = new LabctlHome();
    writeFileSync(join(home.folder, 'settings.toml'), text);
    const { exitCode, stderr, stdout } = await home.run('up', '--config', 'settings.toml', '--data', home.data);
    expect(stderr).toContain(message);
    expect(stdout).toBe('');
    expect(exitCode).toBe(3);
  });

  test('a server that is started later joins by itself', async () => {
    using home = new LabctlHome();
    writeFileSync(join(home.folder, 'labmesh.toml'), '[discovery]\nevery_s = 1\n');
    const labctl = home.start('up', '--no-demo', '--port', '0', '--data', home.data);
    await using _ = labctl;
    await labctl.says('labmesh is ready');
    await using engine = await startEngine({ kind: 'llamacpp', port: 9931 });
    await labctl.says(`at http://127.0.0.1:${engine.port}/v1: 1 model`);
  });

  test('works through a link and from any folder', async () => {
    using home = new LabctlHome();
    const link = join(home.folder, 'lab');
    symlinkSync(labctlFile, link);
    using linked = new LabctlHome([link]);
    expect((await linked.run('version')).stdout).toStartWith('labmesh ');
  });

  test('a model file that is none is refused', async () => {
    using home = new LabctlHome();
    const { exitCode, stderr } = await home.run(
      'up',
      '--model',
      'none.gguf',
      '--no-discovery',
      '--port',
      '0',
      '--data',
      home.data,
    );
    expect(stderr).toContain(`error: model file ${join(home.folder, 'none.gguf')}: there is no such file`);
    expect(exitCode).toBe(1);
  });
});

describe.skipIf(!llamaInstalled)('labctl up with the built-in engine (needs node-llama-cpp)', () => {
  test.skipIf(Bun.which('curl') === null)(
    '--demo: the line of the ready screen works when pasted (needs curl)',
    async () => {
      using home = new LabctlHome();
      const labctl = home.start('up', '--demo', '--no-discovery', '--port', '0', '--data', home.data);
      await using _ = labctl;
      await labctl.says('Ctrl-C stops it');
      const line = labctl.stdout.split('\n').find((one) => one.trim().startsWith('curl '));
      const pasted = Bun.spawn(['sh', '-c', line ?? 'false'], { stdout: 'pipe', stderr: 'ignore' });
      const text = await pasted.stdout.text();
      const pieces = [...text.matchAll(/"content":("(?:[^"\\]|\\.)*")/g)].map(
        (match) => JSON.parse(match[1] ?? '""') as string,
      );
      expect(pieces.join('')).toBe('def f(a,b):\n    return a+b');
      expect(text).toEndWith('data: [DONE]\n\n');
      labctl.signal('SIGINT');
      expect(await labctl.exited).toBe(0);
    },
  );

  test('--model serves the file under its name', async () => {
    using home = new LabctlHome();
    const { labctl, ready } = await home.up('--model', tinyCoder, '--no-discovery');
    await using _ = labctl;
    expect(ready.models).toEqual([expect.objectContaining({ id: 'tiny-coder', endpoints: ['builtin'] })]);
    const { stdout } = await home.run('chat', 'write add', '--temperature', '0', '--data', home.data);
    expect(stdout).toBe('def f(a,b):\n    return a+b\n');
  });
});
