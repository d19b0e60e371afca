;;; lsp-mode with the documented configuration: ask, accept, reject and commit by the menu and documents. -*- lexical-binding: t -*-

(setq native-comp-jit-compilation nil
      native-comp-enable-subr-trampolines nil
      lsp-auto-guess-root t
      lsp-session-file (expand-file-name "lsp-session" (getenv "HOME"))
      lsp-server-install-dir (getenv "HOME")
      lsp-enable-file-watchers nil
      lsp-enable-suggest-server-download nil
      lsp-diagnostics-provider :flymake
      lsp-warn-no-matched-clients nil
      make-backup-files nil)
(load (getenv "LAB_CONFIG") nil t)
;; An installed lsp-mode loads these when it needs them; here an error about a missing one swallows the server's next message.
(mapc #'require '(lsp-lens lsp-modeline lsp-headerline lsp-diagnostics lsp-completion lsp-semantic-tokens lsp-icons lsp-iedit lsp-dired lsp-ido))
(fset 'y-or-n-p (lambda (prompt) (error "A dialog came: %s" prompt)))

(defun lab-wait (what ready)
  "Wait until READY answers something; fail with WHAT."
  (let ((start (float-time)) found)
    (while (not (setq found (funcall ready)))
      (when (> (- (float-time) start) 10)
        (error "Waited in vain for %s; the text is %s; there are %S" what (buffer-string) (buffer-list)))
      (accept-process-output nil 0.02)
      (sit-for 0.02))
    found))

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

(defun lab-line (n)
  (save-excursion
    (goto-char (point-min))
    (forward-line (1- n))
    (buffer-substring (point) (line-end-position))))

(defvar lab-file nil)

(defun lab-titles ()
  (mapcar #'lsp:code-action-title (lsp-code-actions-at-point)))

(defun lab-on-line (n title)
  "Take TITLE from the menu on line N of the file, as the user has it."
  (set-buffer lab-file)
  (goto-char (point-min))
  (forward-line (1- n))
  (lab-wait title (lambda () (member title (lab-titles))))
  (cl-letf (((symbol-function 'completing-read)
             (lambda (_prompt table &rest _)
               (or (seq-find (lambda (it) (equal title it)) (all-completions "" table))
                   (error "The menu has only %S" (all-completions "" table))))))
    (call-interactively #'lsp-execute-code-action)))

(defun lab-git (&rest arguments)
  (string-trim (with-output-to-string (with-current-buffer standard-output (apply #'call-process "git" nil t nil arguments)))))

(find-file "list.txt")
(setq lab-file (current-buffer))
(lsp)
(lab-wait "the server" (lambda () (seq-find (lambda (it) (eq 'initialized (lsp--workspace-status it))) (lsp-workspaces))))

;; Nothing asks for the menu while the cursor rests.
(run-hooks 'lsp-on-idle-hook)
(when (memq 'lsp-modeline--check-code-actions lsp-on-idle-hook)
  (error "The mode line would count what can be asked"))

(lab-on-line 20 "Ask agent...")
(lab-tick (lab-document "ask-") "send" "Mark two lines.")
(lab-on-line 15 "Reject with a reason...")
(lab-tick (lab-document "reason-") "send" "fifteen is fine")
(lab-on-line 3 "Accept change")
(lab-wait "the accepted text" (lambda () (equal (lab-line 3) "line 3, first")))
(save-buffer)
(let ((head (lab-git "rev-parse" "HEAD")))
  (lab-on-line 20 "Commit accepted changes...")
  (lab-tick (lab-document "question-") "Commit")
  (lab-wait "the commit" (lambda () (not (equal head (lab-git "rev-parse" "HEAD"))))))
(lab-on-line 20 "Push...")
(let ((question (lab-document "question-")))
  (with-current-buffer question
    (goto-char (point-min))
    (search-forward "git push origin"))
  (lab-tick question "Close this question"))
(set-buffer lab-file)
(lab-wait "the end of the question"
          (lambda () (not (seq-find (lambda (title) (string-prefix-p "Show question" title)) (lab-titles)))))
(lab-on-line 20 "Take back accepted changes")
(lab-wait "the text before" (lambda () (equal (lab-line 3) "line 3")))
(set-buffer-modified-p nil)
(lsp-disconnect)
