import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEngine } from './simulators/engines/start-engine.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmand-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const program = join(import.meta.dir, '../daemons/labman/src/main.ts');
const secret = 'very-secret-token';
let files = 0;
function configFile(toml: string): string {
  const path = join(folder, `labman-${files++}.toml`);
  writeFileSync(path, toml);
  return path;
}
const start = (...args: string[]) =>
  Bun.spawn([process.execPath, program, ...args, ...(args.length > 1 ? ['--admin-socket', ''] : [])], {
    cwd: folder,
    env: { ...process.env, STATE_DIRECTORY: join(folder, 'state') },
    stdout: 'pipe',
    stderr: 'pipe',
  });
async function run(...args: string[]) {
  const child = start(...args);
  const [out, err, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, exitCode };
}

const endpoint = (url: string, header = '[[endpoints]]') =>
  `${header}\nname = "one"\ntenant = "tenantA"\nbase_url = "${url}/v1"\napi_key = "${secret}"\nmodels.exclude = ["nomic*"]\n`;
const tunnel = `[control_plane]\nbase_url = "https://conplane.example"\nnode_token = "${secret}"\n[wireguard]\naddress = "10.90.0.2/32"\n`;
const local = '[proxy]\nlocal_addr = "127.0.0.1:0"\n[telemetry]\nmetrics_port = 0\n';

/** Collects what a child says; `until` resolves with the first group of a pattern when that was said. */
function listen(stream: ReadableStream<Uint8Array>) {
  let text = '';
  let heard = () => {};
  let ended = false;
  const all = (async () => {
    for await (const bytes of stream) {
      text += Buffer.from(bytes).toString();
      heard();
    }
    ended = true;
    heard();
    return text;
  })();
  const until = async (wanted: RegExp): Promise<string> => {
    for (;;) {
      const found = wanted.exec(text)?.[1];
      if (found !== undefined) return found;
      if (ended) throw new Error(`labmand ended: ${text}`);
      await new Promise<void>((resolve) => (heard = resolve));
    }
  };
  return { all, until };
}

test('labmand with a classic file: lists, answers, drains, and tells no token', async () => {
  await using engine = await startEngine({ kind: 'ollama', tokens: 200, tokenDelayMs: 2 });
  const child = start('-c', configFile(tunnel + local + endpoint(engine.url, '[[endpoint]]')), '-L', 'debug');
  const said = listen(child.stderr);
  const api = await said.until(/address=(\S+)/);
  const { data } = (await (await fetch(`${api}/models`)).json()) as {
    data: Array<{ id: string; labman: { model_id: string } }>;
  };
  expect(data.map(({ labman }) => labman.model_id)).toEqual(['llama3.2:3b']);
  const answer = await fetch(`${api}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: data[0]?.id,
      stream: true,
      messages: [{ role: 'user', content: 'a private prompt' }],
    }),
  });
  const text = answer.text();
  await Bun.sleep(50);
  child.kill('SIGTERM');
  // The open stream ends as it should before the program does.
  expect(await text).toEndWith('data: [DONE]\n\n');
  expect(await child.exited).toBe(0);
  const log = await said.all;
  // A Conplane that is away keeps nobody from being served.
  expect(log).toMatch(/the Conplane did not take this node .*again_in_ms/);
  expect(log).toContain('slug_scheme = "sealed"');
  expect(log + (await child.stdout.text())).not.toMatch(/very-secret-token|a private prompt/);
});

test('exit codes, each with one line that says what to do', async () => {
  const taken = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const one = endpoint('http://127.0.0.1:1');
  const cases: Array<[exitCode: number, said: RegExp, ...args: string[]]> = [
    [2, /^labmand: --colour: unknown flag.*--help\n$/, '--colour'],
    [2, /--log-level: found "loud".*--help\n$/, '-L', 'loud', '-c', configFile(one)],
    [
      3,
      /must end in \/v1; write "http:\/\/127\.0\.0\.1:1\/v1"\n$/,
      '-c',
      configFile('[[endpoint]]\nname = "a"\nbase_url = "http://127.0.0.1:1"'),
    ],
    [3, /not valid TOML/, '-c', configFile('= 1')],
    [
      3,
      /proxy\.local_addr: is missing, and without a tunnel.*local_addr = "127\.0\.0\.1:8080".*\[control_plane\]/s,
      '-c',
      configFile(one),
    ],
    [4, /there is no such file/, '-c', join(folder, 'none.toml')],
    [4, /neither \/etc\/labman\/labman\.toml nor \.\/labman\.toml is there; give one with --config PATH/],
    [
      6,
      /proxy\.local_addr: 127\.0\.0\.1:\d+ is in use/,
      '-c',
      configFile(`[proxy]\nlocal_addr = "127.0.0.1:${taken.port}"\n[telemetry]\ndisable_metrics = true`),
    ],
    [
      8,
      /"0\.0\.0\.0:1" is a wildcard address.*write local_addr/,
      '-c',
      configFile('[proxy]\nlocal_addr = "0.0.0.0:1"'),
    ],
    [8, /--bind-addr: "0\.0\.0\.0" is a wildcard/, '--bind-addr', '0.0.0.0', '-c', configFile(local)],
  ];
  const results = await Promise.all(cases.map(([, , ...args]) => run(...args)));
  for (const [i, [exitCode, said]] of cases.entries()) {
    expect([results[i]?.exitCode, results[i]?.out]).toEqual([exitCode, '']);
    expect(results[i]?.err).toMatch(said);
  }
  taken.stop();
});

test('settings can be checked and printed without a start, and no secret is printed', async () => {
  const path = configFile(tunnel + local + endpoint('http://127.0.0.1:1'));
  const [check, print, help, version] = await Promise.all([
    run('--check-config', '-c', path),
    run('--print-config', '-c', path),
    run('--help'),
    run('--version'),
  ]);
  expect([check.exitCode, print.exitCode, help.exitCode, version.exitCode]).toEqual([0, 0, 0, 0]);
  expect(check.out).toBe(`${path}: good, 1 endpoints\n`);
  expect(check.err).toContain('slug_scheme: is not set');
  expect(print.out).toContain('proxy.local_addr = 127.0.0.1:0');
  expect(print.out).toContain('control_plane = https://conplane.example/api/v1\n');
  expect(print.out).toContain('api_key = set');
  expect(help.out).toContain('--check-config');
  expect(version.out).toMatch(/^labmand \d+\.\d+\.\d+\n$/);
  for (const { out, err } of [check, print]) expect(out + err).not.toContain(secret);
});
