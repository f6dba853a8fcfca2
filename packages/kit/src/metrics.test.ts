import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { Metrics } from './metrics.ts';
import { parsePrometheus } from './prometheus-text.ts';

const samples = (metrics: Metrics) => [...parsePrometheus(metrics.render())];

describe('text', () => {
  test('counters, gauges and histograms in format 0.0.4', () => {
    const metrics = new Metrics('lab_');
    metrics
      .counter('requests_total', 'Requests\nby route', { labels: ['route'] })
      .labels('/a"\\\n')
      .inc(2);
    metrics.gauge('up', 'Up').labels().set(1);
    const wait = metrics.histogram('wait_seconds', 'Wait', [0.1, 1]).labels();
    for (const value of [0.1, 0.5, 7]) wait.observe(value);
    expect(metrics.render()).toBe(`# HELP lab_requests_total Requests\\nby route
# TYPE lab_requests_total counter
lab_requests_total{route="/a\\"\\\\\\n"} 2
# HELP lab_up Up
# TYPE lab_up gauge
lab_up 1
# HELP lab_wait_seconds Wait
# TYPE lab_wait_seconds histogram
lab_wait_seconds_bucket{le="0.1"} 1
lab_wait_seconds_bucket{le="1"} 2
lab_wait_seconds_bucket{le="+Inf"} 3
lab_wait_seconds_sum 7.6
lab_wait_seconds_count 3
`);
  });

  test('a gauge may be read at scrape time; one that throws is left out', () => {
    const metrics = new Metrics();
    let endpoints = [
      { labels: ['a'], value: 1 },
      { labels: ['b'], value: 2 },
    ];
    metrics.gauge('load', 'Load', { labels: ['endpoint'], read: () => endpoints });
    metrics.gauge('age', 'Age', { read: () => 7 });
    metrics.gauge('broken', 'Broken', {
      read: () => {
        throw new Error('x');
      },
    });
    metrics.render();
    endpoints = [{ labels: ['b'], value: 3 }];
    expect(samples(metrics)).toEqual([
      { name: 'load', labels: { endpoint: 'b' }, value: 3 },
      { name: 'age', labels: {}, value: 7 },
    ]);
  });
});

describe('label sets', () => {
  test('an empty or missing value is _unknown, above the limit all is _other', () => {
    const metrics = new Metrics();
    const counter = metrics.counter('c', 'C', { labels: ['a', 'b'], seriesMax: 3 });
    counter.labels('', 'x').inc();
    expect(counter.labels('_unknown', 'x').value).toBe(1);
    for (let i = 0; i < 1_000; i++) counter.labels(`m${i}`, 'x').inc();
    const all = samples(metrics);
    expect(all.map((sample) => Object.values(sample.labels).join())).toEqual([
      '_unknown,x',
      'm0,x',
      'm1,x',
      '_other,_other',
    ]);
    expect(all.at(-1)?.value).toBe(998);
  });

  test('the same labels give the same handle', () => {
    const counter = new Metrics().counter('c', 'C', { labels: ['a'] });
    expect(counter.labels('x')).toBe(counter.labels('x'));
    expect(counter.labels('y'.repeat(500))).toBe(counter.labels('y'.repeat(400)));
  });

  test('any label value comes back as it was', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 100, unit: 'binary' }), (value) => {
        const metrics = new Metrics();
        metrics
          .counter('c', 'C', { labels: ['a'] })
          .labels(value)
          .inc();
        return samples(metrics)[0]?.labels.a === value;
      }),
    );
  });
});

test('names are checked and unique', () => {
  const metrics = new Metrics();
  metrics.counter('a', 'A');
  expect(() => metrics.counter('a', 'A')).toThrow('declared twice');
  expect(() => metrics.counter('a-b', 'A')).toThrow('not a metric');
  expect(() => metrics.histogram('h', 'H', [1, 1])).toThrow('must rise');
});
