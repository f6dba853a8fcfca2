import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { kinds } from '../probe/kinds.ts';
import type { ProbeFetch } from '../probe/probe-fetch.ts';
import { gaugesOfMetrics, hasGauges, readGauges } from './gauges.ts';

const target = { host: 'e', port: 80, tls: false, prefix: '/v1' };
const asked = { spec: { headers: {} }, target };
const names = { running: ['new_run', 'old_run'], waiting: ['wait'], kv: ['kv'] };

function fetchOf(routes: Record<string, [status: number, body: string]>, paths: string[] = []): ProbeFetch {
  return async (_target, { path }) => {
    paths.push(path);
    const [status, body] = routes[path] ?? [404, ''];
    return { status, header: () => undefined, body: new TextEncoder().encode(body) };
  };
}

describe('gaugesOfMetrics', () => {
  test('several engines: sums, and the average for KV', () => {
    const text = 'new_run{engine="0"} 3\nnew_run{engine="1"} 4\nwait 2\nkv{e="0"} 0.2\nkv{e="1"} 0.6\nother 9\n';
    expect(gaugesOfMetrics(text, names)).toEqual({ running: 7, waiting: 2, kv: 0.4 });
  });
  test('both spellings at once count once', () => {
    expect(gaugesOfMetrics('old_run 5\nnew_run 3\n', names)).toEqual({ running: 3 });
  });
  test('any text is read without an error, in numbers that make sense', () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom('new_run NaN', 'kv 7', 'wait -1', 'wait +Inf', 'new_run{a="b} 1'),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const { running = 0, waiting = 0, kv = 0 } = gaugesOfMetrics(lines.join('\n'), names);
        expect(running >= 0 && waiting >= 0 && kv >= 0 && kv <= 1).toBe(true);
      }),
    );
  });
});

describe('readGauges', () => {
  test('missing routes are remembered', async () => {
    const absent = new Set<never>();
    const paths: string[] = [];
    const fetch = fetchOf(
      { '/metrics': [501, ''], '/slots': [200, '[{"is_processing":true},{"is_processing":false}]'] },
      paths,
    );
    expect(await readGauges(fetch, asked, kinds.llamacpp, absent)).toEqual({ running: 1, kv: 0.5 });
    await readGauges(fetch, asked, kinds.llamacpp, absent);
    expect(paths).toEqual(['/metrics', '/slots', '/slots']);
  });
  test('an engine without any is not polled', async () => {
    const absent = new Set<never>();
    expect(await readGauges(fetchOf({}), asked, kinds.vllm, absent)).toBeUndefined();
    expect(hasGauges(kinds.vllm, absent)).toBe(false);
    expect(hasGauges(kinds.ollama, new Set())).toBe(false);
  });
  test('JSON fills in where there are no metrics', async () => {
    const load =
      '{"loads":[{"num_running_reqs":2,"num_waiting_reqs":1,"token_usage":0.5},{"num_running_reqs":1,"token_usage":0.1}]}';
    const reading = await readGauges(fetchOf({ '/v1/loads': [200, load] }), asked, kinds.sglang, new Set());
    expect(reading).toEqual({ running: 3, waiting: 1, kv: 0.3 });
    expect(await readGauges(fetchOf({ '/load': [200, '{"server_load":5}'] }), asked, kinds.vllm, new Set())).toEqual({
      running: 5,
    });
  });
  test('a failing route is no route of another load', async () => {
    const failing: ProbeFetch = () => Promise.reject(new Error('timeout'));
    expect(await readGauges(failing, asked, kinds.vllm, new Set())).toBeUndefined();
  });
});
