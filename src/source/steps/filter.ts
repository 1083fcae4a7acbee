import { z } from 'zod'
import { HeadraceError } from '../../runtime/errors.ts'
import { compileFieldCondition } from '../../runtime/expression.ts'
import { defineStep } from './step.ts'

const condition = z.string().superRefine((text, context) => {
  try {
    compileFieldCondition(text)
  } catch (error) {
    if (!(error instanceof HeadraceError)) throw error
    context.addIssue({ code: 'custom', message: `${error.message}. ${error.advice ?? ''}` })
  }
})

export const filter = defineStep({
  kind: 'filter',
  summary:
    'Keeps the records for which a condition in CEL holds, such as temp_c > 5 && state == "on". One that cannot be judged, since a field is missing, is kept and counted; has(record.name) asks whether it is there. A field named like a word of CEL is written record.type.',
  options: condition,
  open: (text, context) => {
    const holds = compileFieldCondition(text)
    return {
      take: record => {
        const answer = record.fields && holds(record.fields)
        if (answer === false) context.withhold()
        else {
          if (answer === undefined) context.unread()
          context.pass(record)
        }
      },
    }
  },
})
