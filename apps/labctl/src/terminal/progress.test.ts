import { expect, test } from 'bun:test';
import { startProgress } from './progress.ts';

function recorded(stderrIsTerminal: boolean) {
  const written: string[] = [];
  return {
    written,
    progress: startProgress({ stderr: (text) => void written.push(text), stderrIsTerminal, colourErr: false }),
  };
}

test('a terminal gets one line that is rewritten and taken away', () => {
  const { written, progress } = recorded(true);
  progress.step('loading: 10 %');
  progress.step('loading: 20 %');
  progress.end();
  progress.end();
  expect(written).toEqual(['\r\u001b[2Kloading: 10 %', '\r\u001b[2Kloading: 20 %', '\r\u001b[2K']);
});

test('a log gets each step once', () => {
  const { written, progress } = recorded(false);
  for (const step of ['starting', 'loading: 10 %', 'loading: 20 %', 'ready']) progress.step(step);
  progress.end();
  expect(written).toEqual(['starting\n', 'loading: 10 %\n', 'ready\n']);
});
