import { BUFFER_LIMITS } from '../../src/buffer/limits.ts'

/**
 * Loaded into a gateway before its own code: whatever it stores lies in the file of blocks, and little is kept, so that pages are soon used again. With the bounds as
 * they are that takes a megabyte a second.
 */
Object.assign(BUFFER_LIMITS, { fileBlockBytes: 1, fileCommitBytes: 1, keptBatches: 20, forgetEveryMs: 0 })
