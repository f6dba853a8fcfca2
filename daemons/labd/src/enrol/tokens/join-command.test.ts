import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { loginCommand, shellWord, withSecretOnStdin } from '../../login/login-command.ts';
import { joinCommand, joinCommandArgv } from './join-command.ts';

const target = { agentUrl: 'wss://labd.test:3101', pin: `sha256:${'0'.repeat(64)}`, token: 'lmj_00000000_x' };
const shell = (command: string) => Bun.spawnSync(['/bin/sh', '-c', command]).stdout.toString();

describe('command lines to copy (JT-8)', () => {
  test('by stdin first, in argv when asked', () => {
    expect(joinCommand(target)).toBe(
      `printf %s lmj_00000000_x | sudo lab-agent enroll --url wss://labd.test:3101 --ca-pin ${target.pin} --token-file -`,
    );
    expect(joinCommandArgv(target)).toEndWith(`--ca-pin ${target.pin} --token lmj_00000000_x`);
    expect(loginCommand({ publicUrl: 'https://x', pin: 'p' }, 'lmu_1')).toBe(
      'printf %s lmu_1 | labctl login https://x --ca-pin p --token-file -',
    );
  });

  test('whatever is in a word, a shell reads it back and runs nothing', () => {
    const odd = fc.string({ maxLength: 20, unit: fc.constantFrom(...`ab '"\`$\\;|&<>(){}*?!#~\n-%s`) });
    fc.assert(
      fc.property(odd, (text) => {
        expect(shell(`printf '<%s>' ${shellWord(text)}`)).toBe(`<${text}>`);
      }),
      { numRuns: 40 },
    );
    expect(shell(withSecretOnStdin("a'; echo no; '", 'cat'))).toBe("a'; echo no; '");
  });
});
