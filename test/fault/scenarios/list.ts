import type { Scenario } from '../scenario.ts'
import { clonedBeforeOneCore, clonedBeforeTwoCores } from './clones.ts'
import { coreDiskFull, edgeDiskFull, edgeDiskReadOnly } from './disks.ts'
import { coresKilled, edgeKilled } from './kills.ts'

/** Everything that is done to an installation, in the order in which it was found most likely to hurt. */
export const SCENARIOS: readonly Scenario[] = [
  edgeKilled,
  coresKilled,
  clonedBeforeOneCore,
  clonedBeforeTwoCores,
  edgeDiskFull,
  edgeDiskReadOnly,
  coreDiskFull,
]
