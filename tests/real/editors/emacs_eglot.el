;;; Eglot in the tests: starting it, its menu, its diagnostics. -*- lexical-binding: t -*-

(load (expand-file-name "emacs_lab" (file-name-directory load-file-name)) nil t)

(setq lab-nudge (lambda ()
                  (when (eglot-current-server)
                    (eglot--signal-textDocument/didChange))))

(defun lab-start ()
  "Open the file with the server."
  (find-file "list.txt")
  (call-interactively #'eglot)
  (lab-wait "the server" #'eglot-current-server)
  (flymake-mode 1))

(defun lab-hunks ()
  "The diagnostics of pending changes."
  (seq-filter (lambda (diagnostic) (string-match-p "agent -" (flymake-diagnostic-text diagnostic))) (flymake-diagnostics)))

(defun lab-choose (wanted)
  "Take WANTED from the menu of code actions, as the user has it."
  (cl-letf ((last-nonmenu-event ?a)
            ((symbol-function 'completing-read) (lab-pick wanted)))
    (call-interactively #'eglot-code-actions)))

(defun lab-titles ()
  "What the menu has here."
  (mapcar (lambda (action) (plist-get action :title)) (eglot-code-actions (point) (point))))
