import type { Scenario } from '../scenario.ts'
import { answersLost } from './answers.ts'
import { bothBehindCables, cablePulled, coreCablePulled, narrowLine } from './cables.ts'
import { clocksWrong } from './clocks.ts'
import { clonedBeforeOneCore, clonedBeforeTwoCores } from './clones.ts'
import { coresTakeTurns } from './cores.ts'
import { blocksDamaged, databaseDamaged, databaseDamagedRunning, filesReadOnly, walDamaged } from './damage.ts'
import { coreDiskFull, edgeDiskFull, edgeDiskReadOnly } from './disks.ts'
import { processesFrozen } from './freezes.ts'
import { runnerKilled } from './jobs.ts'
import { coresKilled, edgeKilled, edgeKilledInFile } from './kills.ts'
import { badLines, cutInFrames } from './lines.ts'
import {
  brokerFrozen,
  brokerKilled,
  leadersFrozen,
  logRestored,
  numbersWrap,
  producersForgotten,
  rollingKills,
  uncleanElection,
} from './logs.ts'
import { bufferOverflows, bufferRestored, databaseLost, powerCut, powerCutInFile } from './losses.ts'
import { batchRefused, claimsContested, smallBatches, topicMadeAnew, topicSetWrong } from './topics.ts'

/** Everything that is done to an installation. */
export const SCENARIOS: readonly Scenario[] = [
  edgeKilled,
  edgeKilledInFile,
  coresKilled,
  powerCut,
  powerCutInFile,
  databaseLost,
  topicMadeAnew,
  runnerKilled,
  processesFrozen,
  coresTakeTurns,
  brokerKilled,
  brokerFrozen,
  rollingKills,
  leadersFrozen,
  cablePulled,
  coreCablePulled,
  bothBehindCables,
  narrowLine,
  badLines,
  cutInFrames,
  answersLost,
  logRestored,
  uncleanElection,
  producersForgotten,
  numbersWrap,
  claimsContested,
  batchRefused,
  smallBatches,
  topicSetWrong,
  clonedBeforeOneCore,
  clonedBeforeTwoCores,
  bufferRestored,
  bufferOverflows,
  databaseDamaged,
  blocksDamaged,
  databaseDamagedRunning,
  walDamaged,
  filesReadOnly,
  edgeDiskFull,
  edgeDiskReadOnly,
  coreDiskFull,
  clocksWrong,
]
