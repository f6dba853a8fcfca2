import { describe, expect, test } from 'bun:test';
import { exitSchema } from '@labmesh/wire/frame/messages';
import { exitStatus, exitWord } from './exit-status.ts';

const exit = (how: object) => exitSchema.parse({ code: null, signal: null, bytes: {}, ...how });

describe('exit codes (EX-6)', () => {
  test('those of the command, all of them', () => {
    for (let code = 0; code < 256; code++) expect(exitStatus(exit({ code }))).toBe(code);
  });

  test.each([
    [{ signal: 'KILL' }, 137, 'KILL'],
    [{ signal: 'TERM' }, 143, 'TERM'],
    [{ signal: 'INT' }, 130, 'INT'],
    [{ signal: 'HUP' }, 129, 'HUP'],
    [{ signal: 'TERM', timedOut: true }, 124, 'timed out'],
    [{ code: 0, timedOut: true }, 124, 'timed out'],
    [{ signal: 'NOSUCH' }, 255, 'NOSUCH'],
    [{}, 255, 'exit ?'],
    [{ code: 256 }, 255, 'exit 256'],
    [{ code: -1 }, 255, 'exit -1'],
  ])('%j is %d', (how, status, word) => {
    expect(exitStatus(exit(how))).toBe(status);
    expect(exitWord(exit(how))).toBe(word);
  });
});
