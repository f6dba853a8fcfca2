/** A text in the person's editor: $VISUAL, $EDITOR, or vi, as git and crontab do. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';

const textCharsMax = 1024 * 1024;

/**
 * What was saved. The file is private to this user and removed afterwards.
 * @throws CommandError when the editor cannot be started or does not end well
 */
export async function editText(world: Pick<World, 'env'>, name: string, text: string): Promise<string> {
  const editor = world.env['VISUAL'] || world.env['EDITOR'] || 'vi';
  const folder = await mkdtemp(join(tmpdir(), 'labctl-edit-'));
  try {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    // Through a shell: EDITOR may be `code --wait`.
    const child = Bun.spawn(['/bin/sh', '-c', `${editor} "$1"`, editor, path], {
      env: { ...world.env },
      stdin: 'inherit',
      stdout: 'inherit',
      stderr: 'inherit',
    });
    const code = await child.exited;
    if (code !== 0) {
      throw new CommandError(`${editor} ended with exit code ${code}; nothing was changed`, {
        hint: 'EDITOR names another editor',
        exitCode: exitCodes.failed,
      });
    }
    const edited = await readFile(path, 'utf8');
    if (edited.length > textCharsMax) throw new CommandError('the text is too large', { exitCode: exitCodes.usage });
    return edited;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
