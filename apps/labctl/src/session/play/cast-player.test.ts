import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { passUntil } from '../testing/memory-labd.ts';
import { playCast } from './cast-player.ts';

const head = '{"version":3,"term":{"cols":80,"rows":24},"timestamp":1766275200,"idle_time_limit":100}\n';

/** What was shown, each with the time since the start, ms. */
async function play(text: string, wanted: { speed?: number; idleMax?: number } = {}, pieceBytes = 1_000) {
  const clock = new FakeClock();
  const shown: [number, string][] = [];
  const sizes: string[] = [];
  const bytes = new TextEncoder().encode(text);
  const source = (async function* () {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  })();
  const stop = new AbortController();
  const playing = playCast(source, {
    write: async (part) => void shown.push([clock.now(), new TextDecoder().decode(part)]),
    clock,
    signal: stop.signal,
    speed: wanted.speed ?? 1,
    idleMax: wanted.idleMax,
    began: ({ term }) => void sizes.push(`${term.cols}x${term.rows}`),
  });
  return { clock, shown, sizes, stop, playing, end: () => passUntil(clock, playing) };
}
const restored = '\u001b[0m\u001b[?25h';

describe('a recording in its own time (EX-11)', () => {
  test('events at their times, output alone is shown, the end tells how it ended', async () => {
    const text = `${head}[1.5,"o","one"]\n[0.5,"i","typed"]\n[0,"r","90x30"]\n[2,"o","two\\u001b[31m"]\n[0,"x","3"]\n`;
    for (const pieceBytes of [1, 7, 1_000]) {
      const { shown, sizes, end } = await play(text, {}, pieceBytes);
      expect(await end()).toEqual({ exit: '3', cut: false });
      expect(shown).toEqual([
        [1_500, 'one'],
        [4_000, 'two\u001b[31m'],
        [4_000, restored],
      ]);
      expect(sizes).toEqual(['80x24']);
    }
  });

  test('--speed, --idle-max and the limit of the recording itself', async () => {
    const text = `${head}[10,"o","a"]\n[500,"o","b"]\n`;
    const times = async (wanted: { speed?: number; idleMax?: number }) => {
      const { shown, end } = await play(text, wanted);
      await end();
      return shown.slice(0, 2).map(([at]) => at);
    };
    expect(await times({})).toEqual([10_000, 110_000]);
    expect(await times({ speed: 4 })).toEqual([2_500, 27_500]);
    expect(await times({ idleMax: 2 })).toEqual([2_000, 4_000]);
    expect(await times({ idleMax: 2, speed: 2 })).toEqual([1_000, 2_000]);
  });

  test('a screen that was left is left again, also when it breaks off or is stopped', async () => {
    const text = `${head}[0,"o","\\u001b[?1049hvim"]\n[60,"o","later"]\n[1,"o","to`;
    const whole = await play(text);
    expect(await whole.end()).toEqual({ exit: undefined, cut: true });
    expect(whole.shown.at(-1)![1]).toBe(`\u001b[?1049l${restored}`);
    const stopped = await play(text);
    await passUntil(stopped.clock, Bun.sleep(1));
    stopped.stop.abort(new Error('stopped'));
    expect(await thrower(stopped.playing)).toThrow('stopped');
    expect(stopped.shown.map(([, said]) => said)).toEqual(['\u001b[?1049hvim', `\u001b[?1049l${restored}`]);
  });

  test('what is no recording is said to be none, and shows nothing', async () => {
    const { shown, playing } = await play('{"error":1}\n');
    expect(await thrower(playing)).toThrow('line 1: not the head of an asciicast v3');
    expect(shown).toEqual([]);
  });
});
