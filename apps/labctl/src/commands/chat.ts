import { converse } from '../ask/converse.ts';
import { asking, promptOf, questionOptions } from '../ask/question.ts';
import { findApi } from '../client/api-access.ts';
import { defineCommand } from '../command.ts';

/** The shortest way to see a model answer. In a pipe thoughts are left out: what reads there wants the answer. */
export const chat = defineCommand({
  name: 'chat',
  summary: 'Asks a model and shows its answer as it comes. The prompt - is read from stdin.',
  usage: 'labctl chat [-m MODEL] "PROMPT"',
  examples: ['labctl chat "write add"', 'labctl chat -m llama3 "Why is the sky blue?"', 'git diff | labctl chat -'],
  options: questionOptions,
  positionalsMax: 1_000,
  async run({ values, positionals, world }) {
    const prompt = await promptOf(positionals, world, 'labctl chat "write add"');
    const api = findApi(values, world);
    return asking(api, values.json, world, async () => {
      await converse(api, prompt, values, world);
      return 0;
    });
  },
});
