import { describeBatchKill } from './batch-kill-suite.ts'

describeBatchKill()
