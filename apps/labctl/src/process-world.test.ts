import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'labctl-ask-'));
afterAll(() => rmSync(folder, { recursive: true }));
const script = join(folder, 'ask.ts');
writeFileSync(
  script,
  `import { processWorld } from ${JSON.stringify(join(import.meta.dir, 'process-world.ts'))};
  import { runLife } from ${JSON.stringify(join(import.meta.dir, '../../../packages/kit/src/run.ts'))};
  const exitCode = await runLife(async (life) => {
  const world = processWorld(life);
  const hidden = process.argv[2] === 'hidden';
  const first = await world.ask('first? ', { hidden });
  const second = await world.ask('second? ');
  world.stdout(JSON.stringify([first ?? null, second ?? null, world.stdinIsTerminal]) + '\\n');
  }, { events: process, writeError: (line) => console.log('error', line), kill: (code) => process.exit(code) });
  console.log('exit', exitCode);
  process.exit(0);`,
);

/** Types the lines, each after the question before it, and gives all that the terminal showed. */
async function atTerminal(how: string, lines: readonly string[]): Promise<string> {
  let shown = '';
  let typed = 0;
  const child = Bun.spawn([process.execPath, script, how], {
    terminal: {
      cols: 80,
      rows: 24,
      data: (terminal, bytes) => {
        shown += new TextDecoder().decode(bytes);
        const questions = shown.split('? ').length - 1;
        while (typed < Math.min(questions, lines.length)) terminal.write(lines[typed++] ?? '');
      },
    },
  });
  await child.exited;
  child.terminal?.close();
  return Bun.stripANSI(shown);
}

test('a question is asked and the line is the answer', async () => {
  expect(await atTerminal('open', ['web-1\r', 'yes\r'])).toContain('["web-1","yes",true]');
});

test('what is typed to a hidden question is not shown', async () => {
  const shown = await atTerminal('hidden', ['s3cret\r', 'yes\r']);
  expect(shown).toContain('["s3cret","yes",true]');
  expect(shown.replace('["s3cret"', '')).not.toContain('s3cret');
  expect(shown.replace(/\[.*\]/, '')).toContain('yes');
});

test('Ctrl-C ends the question, shown or hidden, and the command with it', async () => {
  for (const how of ['open', 'hidden']) {
    const shown = await atTerminal(how, ['half\u0003']);
    expect(shown).not.toContain('second?');
    expect(shown).not.toContain('error');
    expect(shown).toContain('exit 0');
  }
});

test('no terminal: lines of the input, and nothing at its end', async () => {
  const child = Bun.spawn([process.execPath, script, 'open'], {
    stdin: new Blob(['']),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  expect(await child.stdout.text()).toBe('[null,null,false]\nexit 0\n');
  expect(await child.stderr.text()).toContain('first? ');
});
