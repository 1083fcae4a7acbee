import { aggregate } from './aggregate.ts'
import { changes } from './changes.ts'
import { constants } from './constants.ts'
import { filter } from './filter.ts'
import { flatten } from './flatten.ts'
import { fromHeaders } from './from-headers.ts'
import { rateLimit } from './rate-limit.ts'
import { rename } from './rename.ts'
import { sample } from './sample.ts'
import { scale } from './scale.ts'
import { select } from './select.ts'
import { split } from './split.ts'
import type { StepKind } from './step.ts'

/** Every kind of step; a new one is one file and one line here. */
export const STEP_KINDS = [
  filter,
  select,
  rename,
  scale,
  changes,
  rateLimit,
  sample,
  aggregate,
  constants,
  split,
  flatten,
  fromHeaders,
] as readonly StepKind[]
