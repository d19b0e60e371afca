;;; What the tests in Emacs share: the documented configuration, waiting, the menu. -*- lexical-binding: t -*-

(load (getenv "LAB_CONFIG") nil t)
(setq native-comp-jit-compilation nil
      native-comp-enable-subr-trampolines nil
      make-backup-files nil)

(defun lab-wait (what ready)
  "Wait until READY answers something; fail with WHAT."
  (let ((start (float-time)) found)
    (while (not (setq found (funcall ready)))
      (when (> (- (float-time) start) 30)
        (error "Waited in vain for %s; the text is %s, the diagnostics are %S" what (buffer-string) (flymake-diagnostics)))
      ;; Batch Emacs is never idle, and Eglot sends changes when Emacs is.
      (when (eglot-current-server)
        (eglot--signal-textDocument/didChange))
      (accept-process-output nil 0.02)
      (sit-for 0.02))
    found))

(defun lab-line (n)
  (save-excursion
    (goto-char (point-min))
    (forward-line (1- n))
    (buffer-substring (point) (line-end-position))))

(defun lab-hunks ()
  "The code actions that accept, by line."
  (seq-filter (lambda (diagnostic) (string-match-p "agent -" (flymake-diagnostic-text diagnostic))) (flymake-diagnostics)))

(defun lab-choose (wanted)
  "Take WANTED from the menu of code actions, as the user has it."
  (cl-letf ((last-nonmenu-event ?a)
            ((symbol-function 'completing-read)
             (lambda (_prompt table &rest _)
               (or (seq-find (lambda (title) (equal wanted title)) (all-completions "" table))
                   (error "The menu has only %S" (all-completions "" table))))))
    (call-interactively #'eglot-code-actions)))

(defun lab-titles ()
  "What the menu has here."
  (mapcar (lambda (action) (plist-get action :title)) (eglot-code-actions (point) (point))))
