/** Hidden cases (verification V19, V20). Expected values stay in arena; inputs reach only the sandbox that runs them. */
import { z } from 'zod';

export const suiteLimits = { cases: 500, textBytes: 1024 * 1024, idLength: 100 } as const;

export const suiteSchema = z.strictObject({
  id: z
    .string()
    .max(suiteLimits.idLength)
    .regex(/^[a-z0-9][a-z0-9._-]*$/, 'is lower case letters, digits, dots, dashes'),
  language: z.enum(['python', 'javascript', 'typescript', 'bash']),
  /** The function that is called; for bash the cases' args are the arguments of the script. */
  entry: z.string().max(200),
  cases: z
    .array(
      z.strictObject({
        args: z.array(z.json()).max(32),
        expect: z.json(),
        /** May be shown to models and in feedback. */
        visible: z.boolean().default(false),
      }),
    )
    .min(1)
    .max(suiteLimits.cases),
  compare: z
    .strictObject({
      kind: z.enum(['exact', 'float', 'set']).default('exact'),
      /** Relative and absolute, for `float`. */
      tolerance: z.number().min(0).max(1).default(1e-9),
    })
    .prefault({}),
});
export type Suite = z.infer<typeof suiteSchema>;
