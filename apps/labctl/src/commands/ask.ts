import { defineOptions } from '@labmesh/kit/options';
import { priorities } from '@labmesh/wire/verification/priority';
import { brackets, verificationLimits } from '@labmesh/wire/verification/verification-block';
import { askVerified } from '../ask/ask-verified.ts';
import { converse } from '../ask/converse.ts';
import { asking, promptOf, questionOptions } from '../ask/question.ts';
import { findApi } from '../client/api-access.ts';
import { CommandError } from '../command-error.ts';
import { defineCommand } from '../command.ts';

const options = defineOptions({
  verify: {
    type: 'boolean',
    flag: 'verify',
    help: 'let the arena try several answers, check them and choose one that holds',
  },
  variations: {
    type: 'integer',
    flag: 'variations',
    min: 1,
    max: verificationLimits.variationsMost,
    placeholder: 'N',
    help: 'answers to try; with --verify',
  },
  suite: { type: 'string', flag: 'suite', placeholder: 'S', help: 'cases that the answer must pass; with --verify' },
  verifier: {
    type: 'string',
    flag: 'verifier',
    placeholder: 'NAMES',
    help: 'verifiers by comma; default: those that are switched on; with --verify',
  },
  bracket: {
    type: 'string',
    choices: brackets,
    flag: 'bracket',
    placeholder: 'NAME',
    help: 'what the answer has to be beside valid: opencoder = code that runs and passes the audit; with --verify',
  },
  tools: {
    type: 'string',
    flag: 'tools',
    placeholder: 'NAMES',
    help: 'what a variation may call before it answers, by comma: SERVER/TOOL or SERVER/*, see labctl arena tools; with --verify',
  },
  priority: {
    type: 'string',
    choices: priorities,
    flag: 'priority',
    placeholder: 'CLASS',
    help: 'how soon its turn comes, held to what the key may ask for; with --verify',
  },
  cert: {
    type: 'string',
    flag: 'cert',
    placeholder: 'FILE',
    help: 'keep the certificate in a file, for labctl cert verify; with --verify',
  },
  ...questionOptions,
});

/**
 * V23. One command for a plain answer and a verified one, so that a script changes a flag and no more. Flags that mean
 * something with --verify alone are refused without it: dropped in silence, `--suite` would look as if it had held.
 */
export const ask = defineCommand({
  name: 'ask',
  summary:
    'Asks a model. With --verify the arena tries variations, checks them and shows each verdict as it comes; the exit ' +
    'code is 0 valid, 1 invalid, 3 inconclusive, 4 unchecked. The prompt - is read from stdin.',
  usage:
    'labctl ask [--verify [--variations N] [--suite S] [--bracket NAME] [--cert FILE]] [-m MODEL] [--json] "PROMPT"',
  examples: [
    'labctl ask "write add"',
    'labctl ask --verify "Write a Python function add(a, b)."',
    'labctl ask --verify --suite add --variations 8 --cert add.labcert "Write add(a, b) in Python."',
    'labctl ask --verify --tools "docs/*" "What does the error E1042 mean?"',
    'labctl ask --verify --bracket opencoder --cert sort.labcert "Write a sort in Python, with an example."',
  ],
  options,
  positionalsMax: 1_000,
  async run({ values, positionals, world }) {
    const alone = (['variations', 'suite', 'verifier', 'bracket', 'tools', 'priority', 'cert'] as const).find(
      (name) => values[name] !== undefined,
    );
    if (values.verify !== true && alone !== undefined) {
      const hint = `labctl ask --verify --${alone} …`;
      throw new CommandError(`--${alone} goes with --verify`, { hint, exitCode: 2 });
    }
    const prompt = await promptOf(positionals, world, 'labctl ask --verify "write add"');
    const api = findApi(values, world);
    // With --verify what happens goes to stderr: at a Ctrl-C stdout has no half line that a line end would close.
    return asking(api, values.json || values.verify === true, world, async () => {
      if (values.verify === true) return askVerified(api, prompt, values, world);
      await converse(api, prompt, values, world);
      return 0;
    });
  },
});
