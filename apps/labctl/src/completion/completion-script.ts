/** The completion of a shell, made from the table of commands and their options (CT-5). */
import type { CommandEntry } from '../command.ts';
import { bashScript } from './bash-script.ts';
import { allFacts, type CommandFacts } from './completion-facts.ts';
import { fishScript } from './fish-script.ts';
import { zshScript } from './zsh-script.ts';

export type CompletionShell = 'bash' | 'zsh' | 'fish';

const writers: Readonly<Record<CompletionShell, (facts: readonly CommandFacts[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

export async function completionScript(shell: CompletionShell, table: readonly CommandEntry[]): Promise<string> {
  return writers[shell](await allFacts(table));
}
