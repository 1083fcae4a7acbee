import { ApiError } from './api.ts'
import { h } from './dom.ts'
import type { PageContext } from './page.ts'

/** A button that asks for a change and says what came of it; whoever may only look cannot press it. */
export function actionButton(
  { session }: PageContext,
  label: string,
  act: () => Promise<string>,
): { button: HTMLButtonElement; said: HTMLElement } {
  const isOperator = session.user.role === 'operator'
  const said = h('span', { role: 'status', class: 'said' })
  const button = h('button', { type: 'button', disabled: !isOperator, title: isOperator ? undefined : 'for operators' }, label)
  button.addEventListener('click', () => {
    button.disabled = true
    said.textContent = 'one moment…'
    act()
      .then(
        text => (said.textContent = text),
        (error: unknown) => (said.textContent = errorText(error)),
      )
      .finally(() => {
        button.disabled = false
      })
  })
  return { button, said }
}

export function errorText(error: unknown): string {
  if (error instanceof ApiError) return [error.message, error.advice].filter(Boolean).join('. ')
  return error instanceof Error ? error.message : String(error)
}
