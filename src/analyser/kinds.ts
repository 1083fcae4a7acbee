import { silence } from './silence.ts'
import { threshold } from './threshold.ts'

/** Every kind of analyser; a new one is one file and one line here. */
export const ANALYSER_KINDS = [threshold, silence] as const
