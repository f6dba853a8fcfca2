import { shellWord, withSecretOnStdin } from '../../login/login-command.ts';

/** `pin` is JT-6's text. */
export type JoinTarget = { agentUrl: string; pin: string };

const enroll = ({ agentUrl, pin }: JoinTarget) =>
  `lab-agent enroll --url ${shellWord(agentUrl)} --ca-pin ${shellWord(pin)}`;

/**
 * What `create token` prints for the new machine (JT-8): the token comes by stdin, so it stands in no process list.
 * `--token-file FILE` works as well.
 */
export const joinCommand = (target: JoinTarget & { token: string }): string =>
  withSecretOnStdin(target.token, `sudo ${enroll(target)} --token-file -`);

/** The short form; `ps` shows the token while it runs, and lab-agent warns. */
export const joinCommandArgv = (target: JoinTarget & { token: string }): string =>
  `sudo ${enroll(target)} --token ${shellWord(target.token)}`;
