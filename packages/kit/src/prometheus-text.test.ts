import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { metricsTextMax, parsePrometheus } from './prometheus-text.ts';

const parse = (text: string) => [...parsePrometheus(text)];

test('reads what engines write', () => {
  expect(
    parse(`# HELP vllm:num_requests_running Number
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="Qwen/Qwen3-8B",engine="0"} 3.0
sglang_token_usage 1e-2 1712345678
foo_bucket{le="0.5",} 17 # {trace_id="abc"} 0.4 1.0
a{ x = "y\\"\\\\\\n}" } +Inf\r
b NaN
# EOF`),
  ).toEqual([
    { name: 'vllm:num_requests_running', labels: { model_name: 'Qwen/Qwen3-8B', engine: '0' }, value: 3 },
    { name: 'sglang_token_usage', labels: {}, value: 0.01 },
    { name: 'foo_bucket', labels: { le: '0.5' }, value: 17 },
    { name: 'a', labels: { x: 'y"\\\n}' }, value: Infinity },
    { name: 'b', labels: {}, value: NaN },
  ]);
});

test('skips what it cannot read and goes on', () => {
  expect(parse('<html>\n1x 2\nname\nname{a="b" 1\nname{a=b} 1\nname x\nname 0x10\nok{} 1')).toEqual([
    { name: 'ok', labels: {}, value: 1 },
  ]);
  expect(Object.keys(parse('a{__proto__="x"} 1')[0]?.labels ?? {})).toEqual(['__proto__']);
});

test('stops at its bound, without half a line', () => {
  const line = `m ${'1'.repeat(60)}\n`;
  const all = parse(line.repeat(Math.ceil((2 * metricsTextMax) / line.length)));
  expect(all.length).toBe(Math.floor(metricsTextMax / line.length));
  expect(new Set(all.map((sample) => sample.value)).size).toBe(1);
});

test('survives any text; long hostile ones end', () => {
  const piece = fc.oneof(fc.string(), fc.constantFrom('{', '}', '"', '\\', 'a="', ',', ' 1\n', 'name', '#', '\n'));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 50 }), (pieces) =>
      parse(pieces.join('')).every(({ name, value }) => name !== '' && typeof value === 'number'),
    ),
  );
  // In quadratic time these would not end before the test's time-out.
  parse(`a{b="${'\\'.repeat(metricsTextMax - 10)}`);
  parse(`a{${'b="c",'.repeat(150_000)}`);
});
