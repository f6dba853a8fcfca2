import { CommandError } from '../../command-error.ts';
import { defineCommand } from '../../command.ts';
import { jsonOption } from '../../common-options.ts';
import { completionScript } from '../../completion/completion-script.ts';
import { exitCodes } from '../../exit-codes.ts';

const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];
const isShell = (text: string | undefined): text is Shell => shells.some((shell) => shell === text);

/** Made of the table of commands at hand, so that a script of this version never offers what this version has not. */
export const completion = defineCommand({
  name: 'completion',
  summary: 'Prints what a shell needs to complete commands, flags and types.',
  usage: 'labctl completion bash|zsh|fish',
  examples: [
    'source <(labctl completion bash)',
    'labctl completion zsh > "${fpath[1]}/_labctl"',
    'labctl completion fish > ~/.config/fish/completions/labctl.fish',
  ],
  options: jsonOption,
  positionalsMax: 1,
  completes: [shells],
  async run({ values, positionals, world, commands }) {
    const [shell] = positionals;
    if (!isShell(shell)) {
      const problem =
        shell === undefined ? 'the shell is missing' : `there is no completion for ${JSON.stringify(shell)}`;
      throw new CommandError(problem, { hint: `labctl completion ${shells.join('|')}`, exitCode: exitCodes.usage });
    }
    const script = await completionScript(shell, commands);
    world.stdout(values.json ? `${JSON.stringify({ shell, script })}\n` : script);
  },
});
