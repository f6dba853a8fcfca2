/** arena_judges: every call names the tenant (P6). */
import { parseJson } from '@labmesh/kit/parse-json';
import type { Reader, Writer } from '@labmesh/store/store';
import { uuidv7 } from '@labmesh/wire/ids';
import { type ApprovedJudge, judgeTuningSchema, type JudgeTuningView } from '@labmesh/wire/verification/judge-views';
import { instructionsSha256 } from '../judge-prompt.ts';

/** Models of a tenant that were tuned, or are told something else: more are refused. */
export const modelsMost = 200;

type Row = { tuning: string | null; model: string } & Approval;
type Approval = { instructions: string | null; approved_by: string | null; approved_at: number | null };

const approvedOf = ({ model, instructions, approved_by: by, approved_at: at }: Row): ApprovedJudge[] =>
  instructions === null
    ? []
    : [
        {
          model,
          prompt: instructionsSha256(instructions),
          instructions,
          approvedBy: by ?? 'unknown',
          approvedAt: new Date(at ?? 0).toISOString(),
        },
      ];

const tuningOf = ({ tuning }: Row): JudgeTuningView[] => {
  const { data } = judgeTuningSchema.safeParse(tuning === null ? null : parseJson(tuning));
  return data === undefined ? [] : [data];
};

export type Known = { tunings: JudgeTuningView[]; approved: ApprovedJudge[] };

/** Of one tenant, by model. */
export async function readKnown(db: Reader, tenant: string): Promise<Known> {
  const rows = await db
    .selectFrom('arena_judges')
    .select(['model', 'tuning', 'instructions', 'approved_by', 'approved_at'])
    .where('tenant', '=', tenant)
    .orderBy('model')
    .limit(modelsMost)
    .execute();
  return { tunings: rows.flatMap(tuningOf), approved: rows.flatMap(approvedOf) };
}

/** In place of the tuning before it. */
export async function putTuning(tx: Writer, tenant: string, tuning: JudgeTuningView, now: number): Promise<void> {
  const text = JSON.stringify(tuning);
  const none = { instructions: null, approved_by: null, approved_at: null };
  await tx
    .insertInto('arena_judges')
    .values({ id: uuidv7(), created_at: now, tenant, model: tuning.model, tuning: text, ...none })
    .onConflict((on) =>
      on.columns(['tenant', 'model']).doUpdateSet((row) => ({
        tuning: text,
        revision: row('arena_judges.revision', '+', 1),
      })),
    )
    .execute();
}

/** `instructions` null = the usual. */
export const setInstructions = (tx: Writer, tenant: string, model: string, approval: Approval) =>
  tx
    .updateTable('arena_judges')
    .set((row) => ({ ...approval, revision: row('revision', '+', 1) }))
    .where('tenant', '=', tenant)
    .where('model', '=', model)
    .execute();
