;;; What the tests in Emacs share: the documented configuration, waiting, documents with boxes. -*- lexical-binding: t -*-

(setq native-comp-jit-compilation nil
      native-comp-enable-subr-trampolines nil
      make-backup-files nil)
(load (getenv "LAB_CONFIG") nil t)

(defun lab-no-dialog (prompt &rest _)
  (error "A dialog came: %s" prompt))

(defvar lab-nudge #'ignore "Called while waiting: batch Emacs is never idle, and some clients send changes when Emacs is.")

(defun lab-wait (what ready)
  "Wait until READY answers something; fail with WHAT."
  (let ((start (float-time)) found)
    (while (not (setq found (funcall ready)))
      (when (> (- (float-time) start) 30)
        (error "Waited in vain for %s; the text is %s, the diagnostics are %S, there are %S"
               what (buffer-string) (flymake-diagnostics) (buffer-list)))
      (funcall lab-nudge)
      (accept-process-output nil 0.02)
      (sit-for 0.02))
    found))

(defun lab-line (n)
  (save-excursion
    (goto-char (point-min))
    (forward-line (1- n))
    (buffer-substring (point) (line-end-position))))

(defvar-local lab-done nil "The document has been used.")

(defun lab-document (stem)
  "The buffer of the document whose name begins with STEM, once the server has opened it."
  (lab-wait stem
            (lambda ()
              (seq-find (lambda (buffer)
                          (let ((name (buffer-file-name buffer)))
                            (and name (not (buffer-local-value 'lab-done buffer))
                                 (string-match-p (concat "/documents/" stem) name))))
                        (buffer-list)))))

(defun lab-tick (buffer box &optional words)
  "Tick the last BOX in BUFFER and save; WORDS go above it."
  (with-current-buffer buffer
    (goto-char (point-max))
    (search-backward (concat "[ ] " box))
    (delete-char 3)
    (insert "[x]")
    (when words
      (beginning-of-line)
      (insert words "\n\n"))
    (setq lab-done t)
    (save-buffer)))

(defun lab-git (&rest arguments)
  (string-trim (with-output-to-string (with-current-buffer standard-output (apply #'call-process "git" nil t nil arguments)))))

(defun lab-pick (wanted)
  "What stands in for the user who picks WANTED from a menu."
  (lambda (_prompt table &rest _)
    (let ((titles (all-completions "" table)))
      (or (seq-find (lambda (title) (equal wanted title)) titles)
          (error "The menu has only %S" titles)))))

(defvar lab-kinds '("source.organizeImports" "source.fixAll" "quickfix" "refactor.extract" "refactor.rewrite")
  "Kinds of code actions that people run before each save, and that both clients take without a question where one stands alone.")
