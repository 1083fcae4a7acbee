/** `npm run check`: what can be known in under a minute, without a broker. */
import { runStep, STATIC_STEPS, waitForStepsOnSignals } from './steps.ts'

waitForStepsOnSignals()
const unit = { name: 'unit', command: 'vitest', args: ['run', '--project', 'unit'] }
const passed: boolean[] = []
for (const step of [...STATIC_STEPS, unit]) passed.push(await runStep(step))
process.exitCode = passed.every(Boolean) ? 0 : 1
