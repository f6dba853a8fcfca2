/** Puts a login down: credentials of the context, and in `config.yaml` where its labd is and by which pin it is known. */
import type { Environment } from '../command.ts';
import { ConfigFile } from '../config/config-file.ts';
import { configPath } from '../config/config-paths.ts';
import { saveCredentials } from '../credentials/credentials.ts';
import type { NewLogin } from './get-certificate.ts';

export type SavedLogin = {
  env: Environment;
  context: string;
  url: string;
  /** From now on this context is used without --context. */
  choose: boolean;
  login: NewLogin;
};

/** @throws CommandError when a file cannot be written */
export async function saveLogin({ env, context, url, choose, login }: SavedLogin): Promise<void> {
  const { key, answer } = login;
  const { certificatePem, chainPem, caPem, caPin } = answer;
  // Opened first: a broken file must not leave credentials behind that nothing points to.
  const file = ConfigFile.open(configPath(env)).check();
  await saveCredentials(env, context, { privatePem: key.privatePem, certificatePem, chainPem, bundlePem: caPem });
  // The context without a name is the file itself, unless somebody wrote it down as a context.
  const prefix = context === 'default' && !file.contexts.has('default') ? [] : ['contexts', context];
  file.set([...prefix, 'labd', 'url'], url);
  file.set([...prefix, 'labd', 'caPin'], caPin);
  if (choose && context !== 'default') file.set(['currentContext'], context);
  file.save();
}
